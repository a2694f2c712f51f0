import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { pagingModels } from "../../layout/paging.ts";
import { SOUND_HANDLER } from "../../rules/handler.ts";
import { judge, type Cost, type JudgedRange, type Judgement } from "./judge.ts";

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
  handler: SOUND_HANDLER,
};

/** What the leaves are, of which there is no doubt. */
function known({ now, between }: Judgement): Cost {
  assert.equal(between, null);
  return now ?? assert.fail();
}

describe("judge", () => {
  it("calls a congruent mapping huge", () => {
    const judgement = judge([range], model);
    const { verdict, shortfalls } = judgement;
    assert.equal(verdict, "huge");
    assert.deepEqual(known(judgement).leaves, [{ size: GIB, count: 64 }]);
    assert.deepEqual(shortfalls, []);
  });

  it("tells small from partial", () => {
    const small = judge([{ ...range, address: range.address + 0x1000n }], model);
    assert.deepEqual([small.verdict, small.shortfalls], ["small", ["misaligned"]]);
    const partial = judge([{ ...range, address: range.address + BigInt(2 * MIB) }], model);
    assert.deepEqual([partial.verdict, known(partial).faults, partial.best.faults], ["partial", 32768, 64]);
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

  it("leaves open what hangs on the unknown, and says between what it lies", () => {
    const gateless = judge([{ ...range, gate: "unknown" }], model);
    assert.deepEqual(
      [gateless.verdict, gateless.now, gateless.shortfalls],
      ["unknown", null, ["gate-unknown"]],
    );
    assert.deepEqual(
      gateless.between?.map(({ leaves }) => leaves),
      [[{ size: GIB, count: 64 }], [{ size: 4096, count: 64 * 2 ** 18 }]],
    );
    const anywhere = judge([{ ...range, congruence: null }], model);
    assert.deepEqual([anywhere.verdict, anywhere.shortfalls], ["unknown", ["physical-unknown"]]);
    const misaligned = { ...range, address: range.address + 0x1000n, gate: "unknown" as const };
    assert.equal(judge([misaligned], model).verdict, "small", "no gate helps it");
  });

  it("does not take for huge what hangs on the order of touches", () => {
    for (const dependsOnOrder of [true, null]) {
      const handler = { mapsWrongMemory: false, dependsOnOrder };
      const aligned = judge([{ ...range, handler }], model);
      assert.deepEqual(
        [aligned.verdict, aligned.now, aligned.shortfalls],
        ["unknown", null, ["touch-order"]],
      );
      assert.deepEqual(
        aligned.between?.map(({ faults }) => faults),
        [64, 64 * 2 ** 18],
      );
      assert.equal(judge([{ ...range, handler, gate: "closed" }], model).verdict, "small");
      assert.equal(judge([{ ...range, handler, size: MIB }], model).verdict, "huge");
    }
  });

  it("names a kernel that lays huge leaves over the wrong memory", () => {
    const handler = { mapsWrongMemory: true, dependsOnOrder: true };
    const off = { ...range, address: range.address + BigInt(MIB), handler };
    const wrong = judge([off], model);
    assert.deepEqual(
      [wrong.verdict, wrong.now, wrong.shortfalls],
      ["wrong", null, ["wrong-memory", "misaligned"]],
    );
    // By the address alone: 63 GiB whole, and the ends in 2 MiB leaves and pages.
    assert.deepEqual(wrong.between?.[0].leaves[0], { size: GIB, count: 63 });
    assert.deepEqual(wrong.between[1].leaves, [{ size: 4096, count: 64 * 2 ** 18 }]);
    assert.equal(judge([{ ...off, gate: "closed" }], model).verdict, "small");
    const maybe = judge([{ ...off, handler: { mapsWrongMemory: null, dependsOnOrder: null } }], model);
    assert.deepEqual([maybe.verdict, maybe.shortfalls], ["unknown", ["wrong-memory", "misaligned"]]);
    // Also where right leaves would be no better than pages.
    const tiny = judge([{ ...off, size: 3 * MIB, congruence: (off.congruence ?? 0n) + 0x1000n }], model);
    assert.equal(tiny.verdict, "wrong");
    assert.deepEqual(judge([{ ...range, handler }], model).shortfalls, ["touch-order"]);
  });

  it("judges the mappings of one region together", () => {
    const piece = (index: bigint, perms: string): JudgedRange => ({
      address: range.address + index * BigInt(MIB),
      size: MIB,
      perms,
      congruence: 0x380000000000n + index * BigInt(MIB),
      offset: index * BigInt(MIB),
      gate: "open",
      handler: SOUND_HANDLER,
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
        fc.constantFrom(true, false, null),
        fc.constantFrom(true, false, null),
        (address, congruence, pages, gate, mapsWrongMemory, dependsOnOrder) => {
          const handler = { mapsWrongMemory, dependsOnOrder };
          const { now, between, best, verdict } = judge(
            [{ ...range, address, congruence, size: pages * 4096, gate, handler }],
            model,
          );
          assert.equal(now === null, verdict === "unknown" || verdict === "wrong");
          assert.equal(now === null, between !== null);
          if (between !== null) assert.ok(between[0].faults < between[1].faults);
          if (verdict === "huge") assert.equal(now?.faults, best.faults);
          if (verdict === "small") assert.ok(now?.leaves.every(({ size }) => size === 4096));
          for (const cost of [now, ...(between ?? [])]) {
            if (cost === null) continue;
            if (congruence !== null && verdict !== "wrong" && mapsWrongMemory === false) {
              assert.ok(best.faults <= cost.faults);
            }
            const bytes = cost.leaves.reduce((sum, { size, count }) => sum + size * count, 0);
            assert.equal(bytes, pages * 4096);
          }
        },
      ),
    );
  });
});
