import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { GIB, MIB } from "../layout/sizes.ts";
import { othersBelow } from "./observer.ts";

const PAGE = 4096;

describe("othersBelow", () => {
  it("are pages of the mapping under the larger leaf, and not under the smaller one", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2048 }),
        fc.integer({ min: 1, max: 2048 }),
        fc.nat(),
        fc.constantFrom([2 * MIB, PAGE] as const, [GIB, 2 * MIB] as const),
        (start, pages, where, [size, smaller]) => {
          const mapping = { address: BigInt(GIB + start * PAGE), size: pages * PAGE, physical: 0n };
          const at = (where % pages) * PAGE;
          const page = mapping.address + BigInt(at);
          const touched = new Set([mapping.address, mapping.address + BigInt(PAGE * (pages >> 1))]);
          const blockOf = (address: bigint, block: number): bigint => address / BigInt(block);
          for (const other of othersBelow(mapping, at, { size, smaller, count: 3, touched })) {
            assert.ok(other >= mapping.address && other < mapping.address + BigInt(mapping.size));
            assert.equal(blockOf(other, size), blockOf(page, size));
            for (const each of [page, ...touched]) {
              assert.notEqual(blockOf(other, smaller), blockOf(each, smaller));
            }
          }
        },
      ),
    );
  });

  it("are none where the mapping has no other", () => {
    const mapping = { address: BigInt(GIB), size: 2 * MIB, physical: 0n };
    const touched = new Set([BigInt(GIB + PAGE)]);
    assert.deepEqual(othersBelow(mapping, 0, { size: GIB, smaller: 2 * MIB, count: 1, touched }), []);
    assert.deepEqual(othersBelow(mapping, 0, { size: 2 * MIB, smaller: PAGE, count: 2, touched }), [
      BigInt(GIB + 2 * PAGE),
      BigInt(GIB + 3 * PAGE),
    ]);
  });
});
