import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { ERROR_TABLE, HugebarError, hugebarError } from "./errors.ts";
import { SystemCallError } from "./system/system.ts";

/** The rows of the table in docs/errors.md: code, message, exit code. */
function documentedRows(): string[][] {
  const text = readFileSync(new URL("../docs/errors.md", import.meta.url), "utf8");
  return text
    .split("\n")
    .filter((line) => line.startsWith("| `ERR_"))
    .map((line) => line.split("|").slice(1, 4))
    .map((cells) => cells.map((cell) => cell.trim().replaceAll("`", "")));
}

describe("the error table", () => {
  it("is the one in docs/errors.md, row by row", () => {
    const rows = Object.entries(ERROR_TABLE).map(([code, row]) => [code, row.message, String(row.exitCode)]);
    assert.deepEqual(documentedRows(), rows);
  });

  it("fills a message in from its details", () => {
    const error = hugebarError("ERR_REGION_LAYOUT", {
      region: "2 of 0000:01:00.0",
      problem: "area 1 overlaps",
    });
    assert(error instanceof HugebarError);
    assert.equal(error.message, "Cannot map region 2 of 0000:01:00.0: area 1 overlaps");
    assert.equal(error.code, "ERR_REGION_LAYOUT");
    assert.equal(error.exitCode, 1);
    assert.equal(error.cause, undefined);
  });

  it("leaves braces in a detail alone", () => {
    assert.equal(hugebarError("ERR_USAGE", { problem: "what is {this}?" }).message, "what is {this}?");
  });

  it("keeps the failed call as the cause", () => {
    const cause = new SystemCallError("mmap", 12);
    const error = hugebarError("ERR_REGION_MAP", { region: "0 of x", problem: "no memory" }, cause);
    assert.equal(error.cause, cause);
    assert.deepEqual(
      [cause.call, cause.errno, cause.code, cause.message],
      ["mmap", 12, "ENOMEM", "mmap: not enough memory (ENOMEM)"],
    );
  });
});
