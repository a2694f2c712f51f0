import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { pagingModels } from "../layout/paging.ts";
import { GIB, KIB, MIB } from "../layout/sizes.ts";
import { testedPart } from "./tested-part.ts";

const model = pagingModels["x86-64"];

describe("testedPart", () => {
  it("is all of a BAR that is one area", () => {
    const areas = [{ offset: 0, size: 4 * MIB }];
    assert.deepEqual(testedPart(areas, 0xe000_0000n, model), { offset: 0, size: 4 * MIB });
  });

  it("starts at a boundary where the area does not", () => {
    const areas = [{ offset: 4 * KIB, size: 8 * MIB - 4 * KIB }];
    assert.deepEqual(testedPart(areas, 0n, model), { offset: 2 * MIB, size: 6 * MIB });
  });

  it("takes the area that shows the largest leaf, though another is larger", () => {
    const areas = [
      { offset: 4 * KIB, size: 2.5 * GIB },
      { offset: 8 * GIB, size: 2 * GIB },
    ];
    assert.deepEqual(testedPart(areas, 0n, model), { offset: 8 * GIB, size: 2 * GIB });
  });

  it("is none where two of the smallest huge leaves do not fit", () => {
    assert.equal(testedPart([], 0n, model), null);
    assert.equal(testedPart([{ offset: 4 * KIB, size: 4 * MIB }], 0n, model), null);
    assert.equal(testedPart([{ offset: 0, size: 1 * MIB }], 0n, model), null);
  });

  it("lies in its area, starts at a boundary, and has whole pages", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(pagingModels)),
        fc.nat(2 ** 20),
        fc.nat(2 ** 22),
        fc.nat(2 ** 20),
        (each, start, pages, physical) => {
          const area = { offset: start * 4 * KIB, size: pages * 4 * KIB };
          const base = BigInt(physical) * BigInt(each.pageSize);
          const part = testedPart([area], base, each);
          if (part === null) return;
          assert.ok(part.offset >= area.offset && part.offset + part.size <= area.offset + area.size);
          assert.equal((base + BigInt(part.offset)) % BigInt(each.pmdSize), 0n);
          assert.equal(part.size % each.pageSize, 0);
          assert.ok(part.size >= 2 * each.pmdSize);
        },
      ),
    );
  });
});
