import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { walkFaults } from "../../test/support/fault-walk.ts";
import { leafSpans, type MappedRange } from "./leaves.ts";
import { pageTableBytes } from "./page-tables.ts";
import { pagingModels, type PagingModel } from "./paging.ts";
import { GIB, KIB, MIB } from "./sizes.ts";

/** Mappings in ascending order, some touching, some in one block with others, some blocks apart. */
function neighbours(model: PagingModel): fc.Arbitrary<MappedRange[]> {
  const { pageSize, pmdSize, pudSize } = model;
  const step = fc.record({
    gap: fc.oneof(
      fc.nat(3).map((pages) => pages * pageSize),
      fc.nat(3).map((blocks) => blocks * pmdSize),
      fc.nat(2).map((blocks) => blocks * pudSize),
    ),
    size: fc.oneof(
      fc.integer({ min: 1, max: 600 }).map((pages) => pages * pageSize),
      fc.integer({ min: 1, max: 40 }).map((blocks) => blocks * pmdSize),
    ),
    congruent: fc.boolean(),
  });
  return fc
    .record({ block: fc.bigInt({ min: 0n, max: 2n ** 22n }), steps: fc.array(step, { maxLength: 6 }) })
    .map(({ block, steps }) => {
      let address = block * BigInt(pudSize);
      return steps.map(({ gap, size: wanted, congruent }) => {
        // What is not congruent is a walk of pages: a block and a half will do.
        const size = congruent ? wanted : Math.min(wanted, pmdSize + 16 * pageSize);
        const vma = { address: address + BigInt(gap), size };
        address = vma.address + BigInt(size);
        return { ...vma, physical: vma.address + (congruent ? 0n : BigInt(pageSize)) };
      });
    });
}

describe("pageTableBytes", () => {
  for (const model of Object.values(pagingModels)) {
    it(`agrees with the tables that the kernel allocates on ${model.name}, shared ones counted once`, () => {
      fc.assert(
        fc.property(neighbours(model), fc.boolean(), (vmas, reversed) => {
          const regions = vmas.map(({ address, size, physical }) => ({
            start: address,
            end: address + BigInt(size),
            physical,
          }));
          const laid = vmas.map((vma) => ({ address: vma.address, spans: leafSpans(vma, model) }));
          const given = reversed ? laid.toReversed() : laid;
          assert.equal(pageTableBytes(given, model), walkFaults(regions, model).pageTableBytes);
        }),
      );
    });
  }

  const model = pagingModels["x86-64"];
  const bytesOf = (...vmas: MappedRange[]): number =>
    pageTableBytes(
      vmas.map((vma) => ({ address: vma.address, spans: leafSpans(vma, model) })),
      model,
    );

  it("needs none for PUD leaves, and a PMD table for each GiB of PMD leaves", () => {
    const address = BigInt(GIB);
    assert.equal(bytesOf({ address, size: 4 * GIB, physical: 0n }), 0);
    assert.equal(bytesOf({ address, size: 4 * GIB, physical: BigInt(2 * MIB) }), 4 * 4 * KIB);
    assert.equal(bytesOf(), 0);
  });

  it("counts the tables of a page on either side of a boundary", () => {
    const address = BigInt(GIB) - 4096n;
    assert.equal(bytesOf({ address, size: 4 * KIB, physical: 0n }), 2 * 4 * KIB);
    assert.equal(bytesOf({ address, size: 8 * KIB, physical: 0n }), 4 * 4 * KIB);
    assert.equal(
      bytesOf(
        { address, size: 4 * KIB, physical: 0n },
        { address: address - 8192n, size: 4 * KIB, physical: 0n },
      ),
      2 * 4 * KIB,
    );
  });

  it("is exact at the top of the address space", () => {
    const address = 2n ** 64n - BigInt(GIB);
    assert.equal(bytesOf({ address, size: GIB, physical: 4096n }), 513 * 4 * KIB);
  });
});
