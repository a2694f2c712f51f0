import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type IovaRange, IovaTable, reservedBetween } from "./iova-table.ts";

const PAGE = 0x1000n;
const ALL: IovaRange = { first: 0n, last: 2n ** 64n - 1n };

function pages(first: number, count: number): IovaRange {
  return { first: BigInt(first) * PAGE, last: BigInt(first + count) * PAGE - 1n };
}

describe("IovaTable", () => {
  it("finds the same overlaps and the same free place as a map of every page", () => {
    const round = fc.record({ at: fc.nat(60), count: fc.integer({ min: 1, max: 6 }), remove: fc.boolean() });
    fc.assert(
      fc.property(fc.array(round, { maxLength: 40 }), fc.integer({ min: 1, max: 8 }), (rounds, wanted) => {
        const table = new IovaTable();
        const model = new Map<number, IovaRange>();
        const covers = (page: number): IovaRange | null => model.get(page) ?? null;
        for (const { at, count, remove } of rounds) {
          const range = pages(at, count);
          const numbers = Array.from({ length: count }, (_, index) => at + index);
          const first = numbers.map(covers).find((found) => found !== null) ?? null;
          assert.deepEqual(table.overlapping(range), first);
          if (first === null) {
            table.add(range);
            for (const page of numbers) model.set(page, range);
          } else if (remove) {
            table.remove(first);
            for (const [page, taken] of model) if (taken === first) model.delete(page);
          }
        }
        let free = 0;
        while (Array.from({ length: wanted }, (_, index) => covers(free + index)).some(Boolean)) free += 1;
        assert.equal(table.findFree([ALL], BigInt(wanted) * PAGE, PAGE, ALL), BigInt(free) * PAGE);
      }),
    );
  });

  it("keeps to what is usable, aligned, and within the device's reach", () => {
    const table = new IovaTable();
    const usable = [pages(1, 3), pages(8, 8)];
    assert.equal(table.findFree(usable, 4n * PAGE, PAGE, ALL), 8n * PAGE);
    assert.equal(table.findFree(usable, 2n * PAGE, 2n * PAGE, ALL), 2n * PAGE);
    assert.equal(table.findFree(usable, PAGE, PAGE, { first: 0n, last: 0xfffn }), null);
    assert.equal(table.findFree(usable, PAGE, PAGE, { first: 9n * PAGE, last: ALL.last }), 9n * PAGE);
    assert.equal(table.findFree(usable, 9n * PAGE, PAGE, ALL), null);
    assert.equal(table.findFree([ALL], 1n, 1n, { first: ALL.last, last: ALL.last }), ALL.last);
  });

  it("removes nothing but what was added so", () => {
    const table = new IovaTable();
    table.add(pages(1, 2));
    table.remove(pages(1, 1));
    table.remove(pages(2, 1));
    assert.deepEqual(table.ranges, [pages(1, 2)]);
  });
});

describe("reservedBetween", () => {
  it("is what lies between the usable ranges", () => {
    const usable = [
      { first: 0n, last: 0xfedf_ffffn },
      { first: 0xfef0_0000n, last: 2n ** 47n - 1n },
    ];
    assert.deepEqual(reservedBetween(usable), [{ first: 0xfee0_0000n, last: 0xfeef_ffffn }]);
    assert.deepEqual(reservedBetween([pages(0, 1), pages(1, 1)]), []);
  });
});
