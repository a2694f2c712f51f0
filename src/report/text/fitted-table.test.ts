import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fittedTable, tableText } from "./fitted-table.ts";

const columns = [
  { title: "A", align: "left" },
  { title: "B", align: "right", dispensable: 1 },
  { title: "C", align: "left", dispensable: 2 },
  { title: "D", align: "left" },
] as const;
const rows = [
  ["aaaa", "bbbb", "cccc", "dddd"],
  ["a", "b", "c", "d"],
];

describe("fittedTable", () => {
  it("keeps all columns where there is room", () => {
    for (const width of [22, Infinity]) {
      const { text, leftOut } = fittedTable(columns, rows, width);
      assert.equal(text, "A        B  C     D\naaaa  bbbb  cccc  dddd\na        b  c     d\n");
      assert.deepEqual(leftOut, []);
    }
  });

  it("leaves out the least needed first, and what is needed never", () => {
    assert.deepEqual(fittedTable(columns, rows, 21), {
      text: "A        B  D\naaaa  bbbb  dddd\na        b  d\n",
      leftOut: ["C"],
    });
    for (const width of [15, 10]) {
      assert.deepEqual(fittedTable(columns, rows, width), {
        text: "A     D\naaaa  dddd\na     d\n",
        leftOut: ["C", "B"],
      });
    }
  });

  it("cuts cells short that may be cut before another column goes", () => {
    const cutting = columns.map((column) => ({
      ...column,
      ...(column.title === "B" ? { shrinksTo: 2 } : {}),
    }));
    assert.deepEqual(fittedTable(cutting, rows, 20), {
      text: "A      B  C     D\naaaa  b…  cccc  dddd\na      b  c     d\n",
      leftOut: [],
    });
  });

  it("has no longer line, whatever must be cut", () => {
    for (let width = 1; width < 30; width += 1) {
      const text = tableText(columns, rows, { width, fit: true, colour: false });
      assert.ok(
        text.split("\n").every((line) => line.length <= width),
        text,
      );
    }
  });
});
