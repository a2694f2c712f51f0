import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { countOf, formatCount, formatLeaves, roundedSize } from "./numbers.ts";

describe("numbers", () => {
  it("rounds sizes to their largest unit", () => {
    assert.equal(roundedSize(0), "0 B");
    assert.equal(roundedSize(8192), "8 KiB");
    assert.equal(roundedSize(-8192), "-8 KiB");
    assert.equal(roundedSize(395_071_488), "376.8 MiB");
    assert.equal(roundedSize(0x2f00f00000), "188 GiB");
    assert.equal(roundedSize(1023.9 * 1024), "1 MiB");
    assert.equal(roundedSize(2 ** 53), "8 PiB");
    assert.equal(roundedSize(Number.MAX_SAFE_INTEGER), "8 PiB");
  });

  it("groups digits", () => {
    assert.equal(formatCount(0), "0");
    assert.equal(formatCount(999), "999");
    assert.equal(formatCount(1000), "1,000");
    assert.equal(formatCount(49_286_912), "49,286,912");
  });

  it("lists leaves", () => {
    assert.equal(formatLeaves([]), "none");
    assert.equal(
      formatLeaves([
        { size: 2 ** 30, count: 188 },
        { size: 2 ** 21, count: 7 },
        { size: 4096, count: 2560 },
      ]),
      "188 × 1 GiB + 7 × 2 MiB + 2,560 × 4 KiB",
    );
  });

  it("counts things", () => {
    assert.equal(countOf(1, "area"), "1 area");
    assert.equal(countOf(0, "area"), "0 areas");
    assert.equal(countOf(1000, "fault"), "1,000 faults");
  });
});
