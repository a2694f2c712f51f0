import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Area } from "../../../layout/areas.ts";
import { pieceAt } from "./piece-at.ts";

/** Of gaps, which may be of 0 bytes, and areas in turn. */
function laid(sizes: readonly (readonly [number, number])[]): Area[] {
  let at = 0;
  return sizes.map(([gap, size]) => {
    const offset = at + gap;
    at = offset + size;
    return { offset, size };
  });
}

describe("pieceAt", () => {
  it("says of each byte whether it lies in an area, and ends where that or the gap does", () => {
    const sizes = fc.array(fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 5 })), { maxLength: 12 });
    fc.assert(
      fc.property(sizes, fc.nat(70), fc.integer({ min: 1, max: 20 }), (sizes, offset, length) => {
        const areas = laid(sizes);
        const inside = (at: number): number =>
          areas.findIndex((area) => area.offset <= at && at < area.offset + area.size);
        const first = inside(offset);
        let expected = 1;
        while (expected < length && inside(offset + expected) === first) expected += 1;
        assert.deepEqual(pieceAt(areas, offset, length), { mapped: first !== -1, length: expected });
      }),
    );
  });

  it("looks at a few areas of a hundred thousand", () => {
    const areas = laid(Array.from({ length: 100_000 }, () => [1, 1] as const));
    let looks = 0;
    const counted = new Proxy(areas, {
      get(target, key, receiver): unknown {
        if (typeof key === "string" && /^\d+$/.test(key)) looks += 1;
        return Reflect.get(target, key, receiver);
      },
    });
    for (const offset of [0, 1, 99_999, 150_001, 199_999]) {
      looks = 0;
      assert.deepEqual(pieceAt(counted, offset, 1), { mapped: offset % 2 === 1, length: 1 });
      assert.ok(looks <= 18, `${looks} looks`);
    }
  });
});
