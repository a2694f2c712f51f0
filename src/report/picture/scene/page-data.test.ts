import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Area } from "../../../layout/areas.ts";
import type { LeafSpan } from "../../../layout/leaves.ts";
import { planRegion } from "../../../layout/plan.ts";
import { strategies } from "../../../layout/strategies.ts";
import { pagingModels } from "../../../layout/paging.ts";
import { drawRegion, type Piece } from "../drawing/drawing.ts";
import { encodeDrawing, encodeStrip, sceneScale } from "./encode-drawing.ts";
import { decodeDrawing } from "./page-data.ts";
import { planStrip } from "../drawing/plan-strip.ts";
import { testRegion, testStrip } from "../drawing/strip.fixture.ts";

describe("the page's data", () => {
  it("survives JSON, and says what the drawing says", () => {
    const model = pagingModels["arm64-64k"];
    const strip = {
      ...testStrip("now", [
        { offset: 0, size: 2 ** 29, leaf: 2 ** 29 },
        { offset: 2 ** 30, size: 2 ** 16, leaf: 2 ** 16 },
      ]),
      mapped: true,
    };
    const drawing = drawRegion({ ...testRegion(2 ** 31), physical: (2n ** 42n + 1n) << 16n }, [strip], model);
    const encoded = encodeDrawing(drawing);
    assert.deepEqual(JSON.parse(JSON.stringify(encoded)), encoded);
    const decoded = decodeDrawing(encoded);
    const [first] = drawing.strips;
    assert.ok(first);
    assert.deepEqual(decoded, {
      size: 2 ** 31,
      scale: sceneScale(drawing),
      strips: [{ name: "now", bases: [0n, 0n], ...encodeStrip(first, drawing) }],
    });
    assert.equal(decoded.scale.physicalPhase, 0x10000);
  });

  const part = fc.record({
    before: fc.oneof(fc.constant(0), fc.nat({ max: 2 ** 20 })),
    pages: fc.integer({ min: 1, max: 2 ** 20 }),
    kind: fc.constantFrom("pudSize", "pmdSize", "pageSize"),
    /** Bytes that a leaf is cut by, or an address is off. */
    odd: fc.constantFrom(0, 0, 0, 1, 77),
    own: fc.boolean(),
    base: fc.bigInt({ min: 0n, max: 2n ** 47n }),
  });

  it("says of any strip what the drawing says: pieces, gaps, leaves cut short, addresses", () => {
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 30 }),
        fc.integer({ min: 1, max: 3 }),
        fc.nat(99),
        (parts, times, tail) => {
          const spans: LeafSpan[] = [];
          const pieces: Piece[] = [];
          const model = pagingModels["x86-64"];
          let end = 0;
          for (const { before, pages, kind, odd, own, base } of Array.from(
            { length: times },
            () => parts,
          ).flat()) {
            const offset = end + before * model.pageSize;
            const size = pages * model.pageSize - odd;
            spans.push({ offset, size, leaf: model[kind] });
            if (own) pieces.push({ offset, size, address: base + BigInt(offset) });
            end = offset + size;
          }
          const strip = { ...testStrip("now", spans), pieces: () => pieces, mapped: true };
          const drawing = drawRegion(testRegion(end + tail), [strip], model);
          const [drawn] = drawing.strips;
          assert.ok(drawn);
          const encoded: unknown = JSON.parse(JSON.stringify(encodeDrawing(drawing)));
          assert.deepEqual(encoded, encodeDrawing(drawing));
          const [decoded] = decodeDrawing(encodeDrawing(drawing)).strips;
          const bases = pieces.map(({ address, offset }) => address - BigInt(offset));
          assert.deepEqual(decoded, { name: "now", bases, ...encodeStrip(drawn, drawing) });
        },
      ),
    );
  });

  it("takes little room for areas that are alike, and less than 25 bytes for each that is not", () => {
    const model = pagingModels["x86-64"];
    const bytesOf = (areas: readonly Area[]): number => {
      const size = 2 ** 40;
      const region = { size, areas };
      const strips = strategies.map((strategy) =>
        planStrip(planRegion(region, strategy, model), region, model),
      );
      return JSON.stringify(encodeDrawing(drawRegion(testRegion(size), strips, model))).length;
    };
    const count = 10_000;
    const alike = Array.from({ length: count }, (_, index) => ({ offset: index * 2 ** 23, size: 2 ** 22 }));
    assert.ok(bytesOf(alike) < 2000, `${bytesOf(alike)}`);
    // Sizes and distances of up to 16 MiB, from a sequence that does not repeat.
    let state = 1;
    const next = (): number => {
      state = (state * 48271) % 2147483647;
      return (1 + (state % 4096)) * 4096;
    };
    let end = 0;
    const unlike = Array.from({ length: count }, () => {
      const offset = end + next();
      const size = next();
      end = offset + size;
      return { offset, size };
    });
    assert.ok(bytesOf(unlike) < 25 * count, `${bytesOf(unlike)}`);
  });
});
