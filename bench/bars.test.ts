import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatSpeed, formatTime, judge, type Bar } from "./bars.ts";
import { summarise } from "./pairs.ts";

const judgePair = (bar: Bar, hugebar: number, peer: number | null) =>
  judge(bar, summarise([{ hugebar, peer }]));

describe("judge", () => {
  it("holds the time against the peer's", () => {
    const bar: Bar = { kind: "ratio", most: 1.25 };
    assert.deepEqual(judgePair(bar, 1250, 1000), {
      hugebar: "1.25 µs",
      peer: "1.00 µs",
      figure: "1.25 ×",
      bar: "≤ 1.25 ×",
      met: true,
    });
    assert.equal(judgePair(bar, 1251, 1000).met, false);
  });

  it("holds the speed against the peer's: more is better", () => {
    const bar: Bar = { kind: "speed", least: 0.9, bytes: 64e6 };
    assert.deepEqual(judgePair(bar, 10e6, 8e6), {
      hugebar: "6.40 GB/s",
      peer: "8.00 GB/s",
      figure: "0.80 ×",
      bar: "≥ 0.9 ×",
      met: false,
    });
    assert.equal(judgePair(bar, 8e6, 8e6).met, true);
  });

  it("holds what comes on top against the bar", () => {
    const bar: Bar = { kind: "extra", most: 15 };
    assert.deepEqual(judgePair(bar, 16, 1), {
      hugebar: "16.0 ns",
      peer: "1.00 ns",
      figure: "+15.0 ns",
      bar: "≤ 15 ns more",
      met: true,
    });
    assert.equal(judgePair(bar, 16.1, 1).met, false);
    assert.equal(judgePair(bar, 1, 3).figure, "−2.0 ns");
  });

  it("holds a time against the bar itself", () => {
    assert.deepEqual(judgePair({ kind: "time", most: 100e6 }, 101e6, null), {
      hugebar: "101 ms",
      peer: "–",
      figure: "101 ms",
      bar: "≤ 100 ms",
      met: false,
    });
  });

  it("allows no count above the peer's", () => {
    const judged = [5, 6, 7].map((count) => judgePair({ kind: "count" }, count, 6));
    assert.deepEqual(
      judged.map(({ figure, met }) => ({ figure, met })),
      [
        { figure: "−1", met: true },
        { figure: "0", met: true },
        { figure: "+1", met: false },
      ],
    );
  });

  it("has dashes for a row that could not be measured", () => {
    const verdict = { hugebar: "–", peer: "–", figure: "–", bar: "≤ 2 ×", met: null };
    assert.deepEqual(judge({ kind: "ratio", most: 2 }, null), verdict);
  });

  it("says of no row without a peer that its bar is met or missed", () => {
    const bars: Bar[] = [
      { kind: "ratio", most: 1 },
      { kind: "speed", least: 1, bytes: 1 },
      { kind: "extra", most: 1 },
    ];
    for (const bar of bars) {
      const { hugebar, peer, figure, met } = judgePair(bar, 1, null);
      assert.notEqual(hugebar, "–");
      assert.deepEqual({ peer, figure, met }, { peer: "–", figure: "–", met: null });
    }
  });
});

describe("formatTime and formatSpeed", () => {
  it("write three digits in the unit that fits", () => {
    assert.deepEqual([0.123, 9.99, 12.34, 999.4, 999.5, 1234, 56_780_000, 2e9, 5e12].map(formatTime), [
      "0.12 ns",
      "9.99 ns",
      "12.3 ns",
      "999 ns",
      "1.00 µs",
      "1.23 µs",
      "56.8 ms",
      "2.00 s",
      "5000 s",
    ]);
    assert.deepEqual([0.5, 12.3].map(formatSpeed), ["500 MB/s", "12.3 GB/s"]);
  });
});
