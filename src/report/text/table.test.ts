import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { renderTable } from "./table.ts";

describe("renderTable", () => {
  it("makes columns as wide as their widest cell and leaves no space at the end", () => {
    const columns = [
      { title: "NAME", align: "left" },
      { title: "FAULTS", align: "right" },
      { title: "WHY", align: "left" },
    ] as const;
    const rows = [
      ["none", "49,286,912", "4 KiB"],
      ["a longer name", "1", ""],
    ];
    assert.equal(
      renderTable(columns, rows),
      [
        "NAME               FAULTS  WHY",
        "none           49,286,912  4 KiB",
        "a longer name           1",
        "",
      ].join("\n"),
    );
  });
});
