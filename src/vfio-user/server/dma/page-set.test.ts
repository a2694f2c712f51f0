import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { PAGE_SIZE, PageSet } from "./page-set.ts";

/** Addresses near each other, near the borders of bitmaps, and at both ends of the address space. */
const address = fc
  .tuple(
    fc.constantFrom(0n, 1n << 27n, 3n << 27n, 1n << 40n, (1n << 64n) - (1n << 28n)),
    fc.bigInt(0n, (1n << 27n) + 70_000n),
  )
  .map(([base, offset]) => base + offset);
const length = fc.oneof(fc.nat(3 * 4096), fc.nat(40 * 4096), fc.constant(2 ** 27));

/** What ends behind the address space ends with it. */
const clipped = (start: bigint, bytes: number): number => {
  const room = (1n << 64n) - start;
  return room < BigInt(bytes) ? Number(room) : bytes;
};

const pagesOf = (start: bigint, bytes: number): number[] => {
  if (bytes === 0) return [];
  const first = Number(start / PAGE_SIZE);
  const last = Number((start + BigInt(bytes) - 1n) / PAGE_SIZE);
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
};

describe("a set of pages", () => {
  it("holds what a set of their numbers holds", () => {
    const step = fc.record({ add: fc.boolean(), address, length });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), address, length, (steps, start, most) => {
        const bytes = clipped(start, most);
        const pages = new PageSet();
        const model = new Set<number>();
        for (const { add, address: at, length: mostOfStep } of steps) {
          const size = clipped(at, mostOfStep);
          if (add) pages.add(at, size);
          else pages.remove(at, BigInt(size));
          for (const page of pagesOf(at, size))
            if (add) model.add(page);
            else model.delete(page);
        }
        const found = [...pages.in(start, BigInt(bytes))].sort((a, b) => a - b);
        assert.deepEqual(
          found,
          pagesOf(start, bytes).filter((page) => model.has(page)),
        );
        assert.equal([...pages.in(0n, 1n << 64n)].length, model.size);
      }),
      { numRuns: 60 },
    );
  });

  it("keeps no bitmap of what was taken away", () => {
    const pages = new PageSet();
    for (let part = 0n; part < 64n; part += 1n) pages.add(part << 27n, 4096);
    for (let part = 0n; part < 64n; part += 1n) pages.remove(part << 27n, 4096n);
    assert.equal(pages.chunks, 0);
  });

  it("is empty after all was cleared", () => {
    const pages = new PageSet();
    pages.add(0n, 1 << 20);
    pages.clear();
    assert.deepEqual([...pages.in(0n, 1n << 64n)], []);
  });
});
