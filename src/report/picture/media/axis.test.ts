import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { pagingModels } from "../../../layout/paging.ts";
import { cellKinds, placeAxis } from "./axis.ts";
import { drawRegion, type Drawing } from "../drawing/drawing.ts";
import { testRegion, testStrip } from "../drawing/strip.fixture.ts";

const GIB = 2 ** 30;

/** A strip of alternating areas and gaps with these sizes in pages, made by the drawing model. */
function drawn(pages: readonly number[]): Drawing {
  let offset = 0;
  const spans = pages.flatMap((count, index) => {
    const span = { offset, size: count * 4096, leaf: 4096 };
    offset += span.size;
    return index % 2 === 0 ? [span] : [];
  });
  return drawRegion(testRegion(offset), [testStrip("", spans)], pagingModels["x86-64"]);
}

describe("placeAxis", () => {
  it("gives every part a cell while there is room, and fills the row exactly", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 2 ** 30 }), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 60, max: 200 }),
        (pages, cells) => {
          const drawing = drawn(pages);
          const axis = placeAxis(drawing, cells);
          const positions = drawing.ticks.map((offset) => axis.position(offset));
          assert.equal(positions[0], 0);
          assert.equal(positions.at(-1), cells);
          for (const [index, position] of positions.slice(1).entries()) {
            assert.ok(position - (positions[index] ?? 0) >= 1);
          }
          const [strip] = drawing.strips;
          const kinds = cellKinds(strip?.spans ?? [], axis);
          assert.equal(kinds.length, cells);
          assert.equal(kinds.filter((kind, index) => kind !== kinds[index - 1]).length, pages.length);
        },
      ),
    );
  });

  it("stays at scale where there are more parts than room", () => {
    const drawing = drawn(new Array<number>(2000).fill(7));
    const axis = placeAxis(drawing, 72);
    assert.equal(axis.position(drawing.size / 2), 36);
    assert.equal(cellKinds(drawing.strips[0]?.spans ?? [], axis).length, 72);
  });
});

describe("cellKinds", () => {
  it("shows what covers most of a cell, however it is scattered", () => {
    const axis = { cells: 2, position: (offset: number) => offset / 10 };
    const kinds = cellKinds(
      [
        { offset: 0, size: 3, kind: "pte" },
        { offset: 3, size: 4, kind: "gap" },
        { offset: 7, size: 3, kind: "pte" },
        { offset: 10, size: 10, kind: "pud" },
      ],
      axis,
    );
    assert.deepEqual(kinds, ["pte", "pud"]);
  });

  it("shows a tail of 15 MiB at the end of 256 GiB", () => {
    const drawing = drawRegion(
      testRegion(256 * GIB),
      [
        testStrip("region", [
          { offset: 0, size: 188 * GIB, leaf: GIB },
          { offset: 188 * GIB, size: 14 * 2 ** 20, leaf: 2 ** 21 },
          { offset: 188 * GIB + 14 * 2 ** 20, size: 2 ** 20, leaf: 4096 },
        ]),
      ],
      pagingModels["x86-64"],
    );
    const kinds = cellKinds(drawing.strips[0]?.spans ?? [], placeAxis(drawing, 60));
    assert.deepEqual(new Set(kinds), new Set(["pud", "pmd", "pte", "gap"]));
  });
});
