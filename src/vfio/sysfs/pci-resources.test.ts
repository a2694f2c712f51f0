import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseResources } from "./pci-resources.ts";

const ABSENT = "0x0000000000000000 0x0000000000000000 0x0000000000000000";

describe("parseResources", () => {
  it("reads BARs and ROM with address, size and kind", () => {
    const text = [
      "0x00000000fe000000 0x00000000feffffff 0x0000000000040200",
      "0x0000400000000000 0x00007fffffffffff 0x000000000014220c",
      ABSENT,
      "0x000000000000e000 0x000000000000e07f 0x0000000000040101",
      ABSENT,
      ABSENT,
      "0x00000000fd000000 0x00000000fd07ffff 0x0000000000046200",
      "0x0000000000000000 0x0000000000000000 0x0000000000000000",
      "",
    ].join("\n");
    assert.deepEqual(parseResources(text), [
      {
        index: 0,
        kind: "memory",
        address: 0xfe00_0000n,
        size: 0x100_0000,
        is64Bit: false,
        prefetchable: false,
      },
      {
        index: 1,
        kind: "memory",
        address: 0x4000_0000_0000n,
        size: 0x4000_0000_0000,
        is64Bit: true,
        prefetchable: true,
      },
      { index: 3, kind: "io", address: 0xe000n, size: 0x80, is64Bit: false, prefetchable: false },
      { index: 6, kind: "memory", address: 0xfd00_0000n, size: 0x8_0000, is64Bit: false, prefetchable: true },
    ]);
  });

  it("leaves out a bridge's windows, which follow the ROM", () => {
    const window = "0x0000000090000000 0x00000000900fffff 0x0000000000000200";
    assert.deepEqual(parseResources([...Array<string>(7).fill(ABSENT), window].join("\n")), []);
  });

  it("takes a line that is not one, or counts backwards, for an absent BAR", () => {
    const backwards = "0x0000000000001000 0x0000000000000000 0x0000000000040200";
    assert.deepEqual(parseResources(`nonsense\n${backwards}\n0x0 0x`), []);
    assert.deepEqual(parseResources(""), []);
  });
});
