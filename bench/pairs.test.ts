import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { comparePairs, median, summarise, timed, type Side } from "./pairs.ts";

describe("median", () => {
  it("is the middle value, or the mean of the two in the middle", () => {
    assert.equal(median([7]), 7);
    assert.equal(median([9, 1, 5]), 5);
    assert.equal(median([10, 1, 2, 4]), 3);
  });

  it("has as many values below as above it, in whatever order they come", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1 }), (values) => {
        const middle = median(values);
        const below = values.filter((value) => value < middle).length;
        const above = values.filter((value) => value > middle).length;
        assert.ok(below <= values.length / 2 && above <= values.length / 2);
      }),
    );
  });

  it("of nothing is refused", () => {
    assert.throws(() => median([]), RangeError);
  });
});

describe("summarise", () => {
  it("compares each pair by itself, so a slow moment of the machine does not count", () => {
    const pairs = [
      { hugebar: 12, peer: 10 },
      { hugebar: 1200, peer: 1000 },
      { hugebar: 9, peer: 10 },
      { hugebar: 13, peer: 10 },
      { hugebar: 500, peer: 10 },
    ];
    assert.deepEqual(summarise(pairs), { hugebar: 13, peer: 10, ratio: 1.2, extra: 3 });
  });

  it("has absolute figures only where there is no peer", () => {
    const pairs = [1, 2, 3].map((hugebar) => ({ hugebar, peer: null }));
    assert.deepEqual(summarise(pairs), { hugebar: 2, peer: null, ratio: null, extra: null });
  });
});

describe("comparePairs", () => {
  it("alternates between the sides, gives each the count, and reckons for one operation", async () => {
    const calls: string[] = [];
    const side =
      (name: string, nanoseconds: number): Side =>
      (count) => {
        calls.push(`${name}${count}`);
        return Promise.resolve(nanoseconds * count);
      };
    const comparison = await comparePairs(side("A", 30), side("B", 20), { pairs: 2, count: 50 });
    assert.deepEqual(comparison, { hugebar: 30, peer: 20, ratio: 1.5, extra: 10 });
    assert.deepEqual(calls, "ABABABABAB".replaceAll(/./g, "$&50 ").trim().split(" "));
  });

  it("leaves out what came before the first pair: the warm-up", async () => {
    let sample = 0;
    const getsFaster: Side = () => (sample++ < 3 ? 1000 : 5);
    const { hugebar } = await comparePairs(getsFaster, null, { pairs: 1, count: 1 });
    assert.equal(hugebar, 5);
  });
});

describe("timed", () => {
  it("does the work as often as asked, and tells how long it took", async () => {
    let done = 0;
    const nanoseconds = await timed((count) => {
      for (let index = 0; index < count; index += 1) done += 1;
    })(7);
    assert.equal(done, 7);
    assert.ok(nanoseconds > 0);
  });
});
