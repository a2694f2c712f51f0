import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pagingModels } from "./paging.ts";
import { predictLayout } from "./prediction.ts";
import { GIB, KIB, MIB } from "./sizes.ts";

const model = pagingModels["x86-64"];
const base = BigInt(64 * GIB);
const huge = { address: base, size: GIB + 2 * MIB + 4 * KIB, physical: base };
const hugeLeaves = [
  { size: GIB, count: 1 },
  { size: 2 * MIB, count: 1 },
  { size: 4 * KIB, count: 1 },
];

describe("predictLayout", () => {
  it("adds up the mappings, their tables shared, in any order", () => {
    const after = { address: base + BigInt(2 * GIB), size: 4 * KIB, physical: 0n };
    const next = { address: after.address + 8192n, size: 4 * KIB, physical: 0n };
    assert.deepEqual(predictLayout([next, huge, after], model, "open"), {
      leaves: [
        { size: GIB, count: 1 },
        { size: 2 * MIB, count: 1 },
        { size: 4 * KIB, count: 3 },
      ],
      faults: 5,
      // A PMD and a PTE table for the end of one, and for the other two together.
      pageTableBytes: 4 * 4 * KIB,
      spans: [
        [{ offset: 0, size: 4 * KIB, leaf: 4 * KIB }],
        [
          { offset: 0, size: GIB, leaf: GIB },
          { offset: GIB, size: 2 * MIB, leaf: 2 * MIB },
          { offset: GIB + 2 * MIB, size: 4 * KIB, leaf: 4 * KIB },
        ],
        [{ offset: 0, size: 4 * KIB, leaf: 4 * KIB }],
      ],
      doubts: [],
      worst: null,
    });
  });

  it("leaves nothing but pages where the gate is closed, or there are no huge leaves", () => {
    for (const gate of ["closed", "absent"] as const) {
      const { leaves, faults, pageTableBytes, doubts } = predictLayout([huge], model, gate);
      const pages = huge.size / (4 * KIB);
      assert.deepEqual(leaves, [{ size: 4 * KIB, count: pages }]);
      assert.equal(faults, pages);
      assert.equal(pageTableBytes, (514 + 2) * 4 * KIB);
      assert.deepEqual(doubts, []);
    }
  });

  it("gives the best case and its doubts where something is not known", () => {
    const unknown = { ...huge, physical: null };
    assert.deepEqual(predictLayout([huge], model, "unknown").leaves, hugeLeaves);
    assert.deepEqual(predictLayout([huge], model, "unknown").doubts, ["thp-gate"]);
    assert.deepEqual(predictLayout([unknown], model, "open").leaves, hugeLeaves);
    assert.deepEqual(predictLayout([unknown], model, "open").doubts, ["physical-unknown"]);
    assert.deepEqual(predictLayout([unknown], model, "unknown").doubts, ["thp-gate", "physical-unknown"]);
  });

  it("says what the worst is, where there are doubts", () => {
    const closed = predictLayout([huge], model, "closed");
    const { worst } = predictLayout([huge], model, "unknown");
    assert.deepEqual(worst, {
      leaves: closed.leaves,
      faults: closed.faults,
      pageTableBytes: closed.pageTableBytes,
    });
  });

  it("doubts what hangs on the order of touches, and leaves over wrong memory", () => {
    const ordered = { mapsWrongMemory: false, dependsOnOrder: true };
    assert.deepEqual(predictLayout([huge], model, "open", ordered).doubts, ["touch-order"]);
    assert.deepEqual(predictLayout([huge], model, "closed", ordered).doubts, []);
    const wrong = { mapsWrongMemory: null, dependsOnOrder: false };
    const off = { ...huge, physical: huge.physical + BigInt(MIB) };
    assert.deepEqual(predictLayout([off], model, "open", wrong).doubts, ["wrong-memory"]);
    assert.deepEqual(predictLayout([huge], model, "open", wrong).doubts, []);
    assert.deepEqual(predictLayout([off], model, "absent", wrong).doubts, []);
  });

  it("has no doubts where the answer is the same either way", () => {
    const small = { address: base, size: MIB, physical: null };
    assert.deepEqual(predictLayout([small], model, "unknown").doubts, []);
    assert.deepEqual(predictLayout([{ ...huge, physical: null }], model, "closed").doubts, []);
    assert.deepEqual(predictLayout([{ ...huge, physical: 4096n }], model, "unknown").doubts, []);
    assert.deepEqual(predictLayout([], model, "unknown").doubts, []);
  });

  it("refuses a mapping off the model's pages", () => {
    assert.throws(() => predictLayout([{ ...huge, size: 100 }], model, "open"), { code: "ERR_ARGUMENT" });
  });
});
