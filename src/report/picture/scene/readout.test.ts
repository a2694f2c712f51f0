import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pagingModels } from "../../../layout/paging.ts";
import { spansBetween } from "./coverage.ts";
import { drawRegion } from "../drawing/drawing.ts";
import { encodeDrawing } from "./encode-drawing.ts";
import { decodeDrawing } from "./page-data.ts";
import { offsetText, partRows, partsCaption, pointRow, viewText } from "./readout.ts";
import { testRegion } from "../drawing/strip.fixture.ts";

const GIB = 2 ** 30;
const drawing = decodeDrawing(
  encodeDrawing(
    drawRegion(
      { ...testRegion(4 * GIB), physical: 0x40000000000n },
      [
        {
          name: "now",
          about: "as it is mapped",
          leaves: [],
          faults: 0,
          pageTableBytes: 0,
          spans: [
            { offset: 0, size: 2 * GIB, leaf: 2 ** 21 },
            { offset: 2 * GIB, size: 4096, leaf: 4096 },
          ],
          pieces: () => [{ offset: 0, size: 2 * GIB + 4096, address: 0x7f0000200000n }],
          mapped: true,
        },
      ],
      pagingModels["x86-64"],
    ),
  ),
);

function rowAt(offset: number): string[] {
  const [strip] = drawing.strips;
  return strip === undefined ? [] : pointRow(strip, drawing, offset);
}

describe("the readout", () => {
  it("tells the leaf, its range, the congruence and the address", () => {
    assert.deepEqual(rowAt(0x212345), [
      "now",
      "2 MiB leaf",
      "0x200000 – 0x400000",
      "2 MiB",
      "0x7f0000412345",
    ]);
    assert.deepEqual(rowAt(2 * GIB + 5), [
      "now",
      "4 KiB leaf",
      "0x80000000 – 0x80001000",
      "2 MiB",
      "0x7f0080200005",
    ]);
  });

  it("tells a gap from the next part by one byte", () => {
    assert.deepEqual(rowAt(2 * GIB + 4095).slice(0, 2), ["now", "4 KiB leaf"]);
    assert.deepEqual(rowAt(2 * GIB + 4096), ["now", "gap", "0x80001000 – 0x100000000", "", ""]);
    assert.deepEqual(rowAt(4 * GIB - 1)[1], "gap");
  });

  it("writes views and offsets exactly", () => {
    assert.equal(offsetText(0x2f00f00000), "0x2f00f00000 (188 GiB)");
    assert.equal(viewText({ from: 0.5, to: 4096.5 }, 4 * GIB), "0x0 – 0x1001: 4 KiB of 4 GiB");
  });

  it("lists parts, and says when there are more", () => {
    const [strip] = drawing.strips;
    assert.ok(strip);
    const spans = spansBetween(strip.coverage, 0, 3);
    assert.deepEqual(partRows(spans, drawing.scale), [
      ["0x0", "0x80000000", "2 GiB", "1,024 × 2 MiB"],
      ["0x80000000", "0x80001000", "4 KiB", "1 × 4 KiB"],
      ["0x80001000", "0x100000000", "2 GiB", "gap"],
    ]);
    // Of what a view shows of them.
    assert.deepEqual(partRows(spans.slice(0, 1), drawing.scale, { from: 0x300000, to: 0x500000 }), [
      ["0x0", "0x80000000", "2 GiB", "2 of 1,024 × 2 MiB"],
    ]);
    assert.equal(partsCaption("now", 1), "1 part of now in view");
    assert.equal(partsCaption("now", 2000), "2,000 parts of now in view; the first 16");
  });
});
