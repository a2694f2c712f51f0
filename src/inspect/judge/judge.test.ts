import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { pagingModels } from "../../layout/paging.ts";
import { judge, type JudgedRange } from "./judge.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const model = pagingModels["x86-64"];
const range: JudgedRange = {
  address: 0x7f0000000000n,
  size: 64 * GIB,
  perms: "rw-s",
  congruence: 0x380000000000n,
  offset: 0n,
  gate: "open",
};

describe("judge", () => {
  it("calls a congruent mapping huge", () => {
    const { verdict, now, shortfalls } = judge([range], model);
    assert.equal(verdict, "huge");
    assert.deepEqual(now.leaves, [{ size: GIB, count: 64 }]);
    assert.deepEqual(shortfalls, []);
  });

  it("tells small from partial", () => {
    const small = judge([{ ...range, address: range.address + 0x1000n }], model);
    assert.deepEqual([small.verdict, small.shortfalls], ["small", ["misaligned"]]);
    const partial = judge([{ ...range, address: range.address + BigInt(2 * MIB) }], model);
    assert.deepEqual([partial.verdict, partial.now.faults, partial.best.faults], ["partial", 32768, 64]);
  });

  it("names a closed gate, beside what else is wrong", () => {
    assert.deepEqual(judge([{ ...range, gate: "closed" }], model).shortfalls, ["gate"]);
    const both = judge([{ ...range, gate: "closed", address: range.address + 0x1000n }], model);
    assert.deepEqual([both.verdict, both.shortfalls], ["small", ["gate", "misaligned"]]);
  });

  it("does not blame a mapping that is too small for any better", () => {
    const tiny = { ...range, size: 64 * 1024, gate: "closed" as const, congruence: null };
    assert.equal(judge([tiny], model).verdict, "huge");
  });

  it("leaves open what hangs on the unknown, and only that", () => {
    assert.equal(judge([{ ...range, gate: "unknown" }], model).verdict, "unknown");
    assert.deepEqual(judge([{ ...range, congruence: null }], model).shortfalls, ["physical-unknown"]);
    const misaligned = { ...range, address: range.address + 0x1000n, gate: "unknown" as const };
    assert.equal(judge([misaligned], model).verdict, "small", "no gate helps it");
  });

  it("judges the mappings of one region together", () => {
    const piece = (index: bigint, perms: string): JudgedRange => ({
      address: range.address + index * BigInt(MIB),
      size: MIB,
      perms,
      congruence: 0x380000000000n + index * BigInt(MIB),
      offset: index * BigInt(MIB),
      gate: "open",
    });
    const pieces = [0n, 1n, 2n, 3n].map((index) => piece(index, "rw-s"));
    const { verdict, shortfalls, best } = judge(pieces, model);
    assert.deepEqual([verdict, shortfalls], ["small", ["split"]]);
    assert.deepEqual(best.leaves, [{ size: 2 * MIB, count: 2 }]);
    const protections = [0n, 1n].flatMap((index) => [
      piece(2n * index, "rw-s"),
      piece(2n * index + 1n, "r--s"),
    ]);
    assert.equal(judge(protections, model).verdict, "huge", "they cannot be one mapping");
  });

  it("never finds anything better than the best, and calls what costs as little huge", () => {
    const page = fc.bigInt({ min: 0n, max: 1n << 24n }).map((number) => number * 4096n);
    fc.assert(
      fc.property(
        page,
        fc.option(page),
        fc.integer({ min: 1, max: 1 << 22 }),
        fc.constantFrom("open", "closed", "unknown"),
        (address, congruence, pages, gate) => {
          const { now, best, verdict } = judge(
            [{ ...range, address, congruence, size: pages * 4096, gate }],
            model,
          );
          if (congruence !== null) assert.ok(best.faults <= now.faults);
          if (verdict === "huge") assert.equal(now.faults, best.faults);
          if (verdict === "small") assert.ok(now.leaves.every(({ size }) => size === 4096));
          const bytes = now.leaves.reduce((sum, { size, count }) => sum + size * count, 0);
          assert.equal(bytes, pages * 4096);
        },
      ),
    );
  });
});
