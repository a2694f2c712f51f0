import assert from "node:assert/strict";
import { constants } from "node:os";
import { describe, it } from "node:test";
import fc from "fast-check";
import { RangeTable, type Range } from "./range-table.ts";

const { EEXIST, EINVAL } = constants.errno;

/** Small numbers, so that pieces meet; and the end of the address space. */
const base = fc.constantFrom(0n, (1n << 64n) - 40n);
const range = fc.record({ iova: fc.bigInt(0n, 30n), size: fc.integer({ min: 1, max: 10 }), base });
const step = fc.record({ add: fc.boolean(), range });
const end = ({ iova, size }: Range): bigint => iova + BigInt(size);

describe("a range table", () => {
  it("holds what a list of pieces holds, and gives each back once", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const given: Range[] = [];
        const table = new RangeTable<Range>((piece) => given.push(piece));
        let model: Range[] = [];
        let removed: Range[] = [];
        for (const { add, range } of steps) {
          const piece = { iova: range.base + range.iova, size: range.size };
          const touched = model.filter((other) => other.iova < end(piece) && piece.iova < end(other));
          assert.equal(table.overlaps(piece), touched.length > 0);
          if (add && touched.length > 0) assert.throws(() => table.add(piece), { errno: EEXIST });
          else if (add) {
            table.add(piece);
            model.push(piece);
          } else if (touched.some((other) => other.iova < piece.iova || end(other) > end(piece))) {
            assert.throws(() => table.remove(piece.iova, BigInt(piece.size)), { errno: EINVAL });
          } else {
            assert.equal(table.remove(piece.iova, BigInt(piece.size)), null);
            model = model.filter((other) => !touched.includes(other));
            removed = removed.concat(touched.sort(byAddress));
          }
          assert.deepEqual(given, removed);
          assert.equal(table.count, model.length);
          for (const at of [piece.iova - 1n, piece.iova, end(piece) - 1n, end(piece)]) {
            const holder = model.find((other) => other.iova <= at && at < end(other));
            assert.deepEqual(table.find(at)?.piece, holder);
          }
          const covering = table.covering(piece.iova, piece.size)?.map((entry) => entry.piece) ?? null;
          const there = model.filter((other) => other.iova < end(piece) && piece.iova < end(other));
          const bytes = there.reduce((sum, other) => sum + overlap(other, piece), 0n);
          assert.deepEqual(covering, bytes === BigInt(piece.size) ? there.sort(byAddress) : null);
        }
      }),
    );
  });

  it("looks up by halves: how many pieces it looks at grows by a few when their number doubles", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4096 }), fc.nat(), (count, chosen) => {
        let looks = 0;
        const table = new RangeTable<Range>(() => {});
        for (let number = 0; number < count; number += 1) {
          const iova = BigInt(number * 32);
          const piece = {
            size: 16,
            get iova() {
              looks += 1;
              return iova;
            },
          };
          table.add(piece);
        }
        const at = BigInt((chosen % count) * 32);
        const most = 2 * Math.ceil(Math.log2(count + 1)) + 8;
        const lookUps: (() => unknown)[] = [
          () => table.find(at),
          () => table.find(at + 20n),
          () => table.overlaps({ iova: at, size: 16 }),
          () => table.covering(at, 16),
          () => table.cuts(at + 1n, 20n),
          () => table.within(at, 16n),
        ];
        for (const [which, lookUp] of lookUps.entries()) {
          looks = 0;
          lookUp();
          assert.ok(looks <= 2 * most, `look-up ${which} looked ${looks} times at ${count} pieces`);
        }
      }),
      { numRuns: 25 },
    );
  });

  it("gives a piece back when its last user is done, and lets nobody find it before", async () => {
    const given: Range[] = [];
    const table = new RangeTable<Range>((piece) => given.push(piece));
    const piece = { iova: 16n, size: 16 };
    table.add(piece);
    const entry = table.find(20n);
    assert.ok(entry !== undefined);
    const [first, second] = [entry.use(), entry.use()];
    const gone = table.remove(16n, 16n);
    assert.ok(gone !== null && entry.taken);
    assert.equal(table.find(20n), undefined);
    table.add({ ...piece });
    first();
    first();
    assert.deepEqual(given, []);
    second();
    assert.deepEqual(given, [piece]);
    await gone;
    assert.equal(table.clear(), null);
    assert.equal(given.length, 2);
  });

  it("tells of what could not be given back, and gives the others back", async () => {
    const given: bigint[] = [];
    const table = new RangeTable<Range>(({ iova }) => {
      given.push(iova);
      if (iova === 0n) throw new RangeError("it will not go");
    });
    for (const iova of [0n, 1n]) table.add({ iova, size: 1 });
    assert.throws(() => table.clear(), RangeError);
    assert.deepEqual(given, [0n, 1n]);
    table.add({ iova: 0n, size: 1 });
    const done = table.find(0n)?.use();
    const gone = table.clear();
    done?.();
    await assert.rejects(gone ?? Promise.resolve(), RangeError);
  });
});

function byAddress(a: Range, b: Range): number {
  return a.iova < b.iova ? -1 : 1;
}

function overlap(a: Range, b: Range): bigint {
  const [from, to] = [a.iova > b.iova ? a.iova : b.iova, end(a) < end(b) ? end(a) : end(b)];
  return to - from;
}
