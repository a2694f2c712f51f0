import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { markdownTable, missedBars, replaceBetweenMarkers, terminalTable, type TableRow } from "./table.ts";

const rows: TableRow[] = [
  {
    what: "`read32` in a gap",
    against: "C `pread`",
    hugebar: "300 ns",
    peer: "150 ns",
    figure: "2.00 ×",
    bar: "≤ 1.5 ×",
    met: false,
  },
  {
    what: "a | b",
    against: "–",
    hugebar: "9.00 ms",
    peer: "–",
    figure: "9.00 ms",
    bar: "≤ 100 ms",
    met: true,
  },
];
const uncompared: TableRow = {
  what: "copying",
  against: "C `memcpy`",
  hugebar: "7.00 GB/s",
  peer: "–",
  figure: "–",
  bar: "≥ 0.9 ×",
  met: null,
};

describe("terminalTable", () => {
  it("aligns the columns", () => {
    assert.equal(
      terminalTable(rows),
      [
        "what               hugebar  against    its figure  compared  bar",
        "`read32` in a gap   300 ns  C `pread`      150 ns    2.00 ×  ≤ 1.5 ×   missed",
        "a | b              9.00 ms  –                   –   9.00 ms  ≤ 100 ms  met",
        "",
      ].join("\n"),
    );
  });
});

describe("markdownTable", () => {
  it("is a table whose cells hold whatever stands in them", () => {
    assert.equal(
      markdownTable(rows),
      [
        "| what | hugebar | against | its figure | compared | bar |  |",
        "| --- | ---: | --- | ---: | ---: | --- | --- |",
        "| `read32` in a gap | 300 ns | C `pread` | 150 ns | 2.00 × | ≤ 1.5 × | missed |",
        String.raw`| a \| b | 9.00 ms | – | – | 9.00 ms | ≤ 100 ms | met |`,
        "",
      ].join("\n"),
    );
  });
});

describe("missedBars", () => {
  it("names each bar that is missed", () => {
    assert.equal(missedBars(rows), "Missed: `read32` in a gap (2.00 ×).");
  });

  it("says so when none is, and how many rows could not be compared", () => {
    assert.equal(missedBars(rows.slice(1)), "No bar that could be measured is missed.");
    assert.equal(
      missedBars([...rows.slice(1), uncompared]),
      "No bar that could be measured is missed. Not compared: 1 of 2 rows.",
    );
  });
});

describe("replaceBetweenMarkers", () => {
  it("replaces what stands between docs/benchmarks.md's markers, and nothing else", () => {
    const page = readFileSync(new URL("../docs/benchmarks.md", import.meta.url), "utf8");
    const first = replaceBetweenMarkers(page, "one\n");
    const second = replaceBetweenMarkers(first, "two\n");
    assert.notEqual(first, page);
    assert.equal(second, first.replace("\none\n", "\ntwo\n"));
    assert.equal(second.length, first.length);
  });

  it("refuses a page without them", () => {
    assert.throws(() => replaceBetweenMarkers("# Benchmarks\n", "table"), /lacks its markers/);
  });
});
