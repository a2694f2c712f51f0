import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseIdFilter, parseSlotFilter } from "./pci-filter.ts";

const gpu = { bdf: "0009:01:00.0", vendor: 0x10de, device: 0x2342, class: 0x030200 };
const vmd = { bdf: "10000:e1:1f.7", vendor: 0x8086, device: 0x0a54, class: 0x010802 };

describe("parseSlotFilter", () => {
  it("reads it as lspci -s does", () => {
    for (const text of ["", "01:", "01:00.0", "9:1:0.0", "0009:", ":01:00.", ".0", "0", "*:*:00.0", "9::"]) {
      assert.ok(text === "0009:" ? !parseSlotFilter(text)(gpu) : parseSlotFilter(text)(gpu), text);
    }
    for (const text of ["02:", "0:01:00.0", ".1", "1f"]) assert.ok(!parseSlotFilter(text)(gpu), text);
    assert.ok(parseSlotFilter("10000:e1:1f.7")(vmd));
    assert.ok(parseSlotFilter("1f.7")(vmd));
  });

  it("refuses what it cannot read", () => {
    for (const text of ["nvme0", "01:00.8", "1:2:3:4.0"]) {
      assert.throws(() => parseSlotFilter(text), { code: "ERR_ARGUMENT" }, text);
    }
  });
});

describe("parseIdFilter", () => {
  it("reads it as lspci -d does", () => {
    for (const text of ["10de:", ":2342", ":", "10de:2342:0302", "::0302:00", "::03xx", "*:*:*"]) {
      assert.ok(parseIdFilter(text)(gpu), text);
    }
    for (const text of ["8086:", ":2343", "::0108", "::0302:01"]) assert.ok(!parseIdFilter(text)(gpu), text);
    assert.ok(parseIdFilter("::108:02")(vmd));
  });

  it("refuses what it cannot read", () => {
    for (const text of ["10de", "nvidia:", "1:2:3:4:5"]) {
      assert.throws(() => parseIdFilter(text), { code: "ERR_ARGUMENT" }, text);
    }
  });
});
