import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GIB, MIB } from "../../layout/sizes.ts";
import { compareLeaves } from "./compare.ts";
import type { ReadLeaves, ReadRun } from "./readings.ts";

const rule = [
  { offset: 0, size: 2 * GIB, leaf: GIB },
  { offset: 2 * GIB, size: 4 * MIB, leaf: 2 * MIB },
  { offset: 2 * GIB + 4 * MIB, size: 8192, leaf: 4096 },
];

function read(...runs: ReadRun[]): ReadLeaves {
  const leaves = runs.map(({ leaf, count }) => ({ size: leaf, count }));
  return { state: "read", leaves, touchedBytes: 0, runs };
}

describe("compareLeaves", () => {
  it("finds no difference where nothing was touched, or all as the rule has it", () => {
    const same = { smallerBytes: 0, largerBytes: 0 };
    assert.deepEqual(compareLeaves(read(), rule), same);
    const there = read(
      { offset: GIB, leaf: GIB, count: 1 },
      { offset: 2 * GIB, leaf: 2 * MIB, count: 2 },
      { offset: 2 * GIB + 4 * MIB + 4096, leaf: 4096, count: 1 },
    );
    assert.deepEqual(compareLeaves(there, rule), same);
  });

  it("counts the bytes that have a smaller leaf, and those that have a larger one", () => {
    const there = read({ offset: 0, leaf: 2 * MIB, count: 3 }, { offset: 2 * GIB, leaf: GIB, count: 1 });
    assert.deepEqual(compareLeaves(there, rule), {
      smallerBytes: 6 * MIB,
      largerBytes: 4 * MIB + 8192,
    });
  });

  it("compares a run that goes over several spans with each", () => {
    const there = read({ offset: 2 * GIB - 2 * MIB, leaf: 4096, count: 1536 });
    assert.deepEqual(compareLeaves(there, rule), { smallerBytes: 6 * MIB, largerBytes: 0 });
  });

  it("says of scattered leaves only what is certain", () => {
    const scattered = (size: number, count: number): ReadLeaves => ({
      state: "read",
      leaves: [{ size, count }],
      touchedBytes: size * count,
      runs: null,
    });
    const whole = [{ offset: 0, size: 4 * GIB, leaf: GIB }];
    assert.deepEqual(compareLeaves(scattered(4096, 9000), whole), {
      smallerBytes: 9000 * 4096,
      largerBytes: 0,
    });
    assert.deepEqual(compareLeaves(scattered(4096, 9000), rule), { smallerBytes: null, largerBytes: null });
  });
});
