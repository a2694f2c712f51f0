import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ownRegions } from "./own-memory.ts";

describe("ownRegions", () => {
  it("gives a superchip's memory as one region, or a part of it as another", () => {
    const { whole, split } = ownRegions(0x2f_00f0_0000);
    assert.deepEqual(whole, [{ index: 4, offset: 0, length: 0x2f_00f0_0000, size: 2 ** 38 }]);
    // 1 GiB and what is no multiple of 512 MiB.
    assert.deepEqual(split, [
      { index: 4, offset: 0, length: 187 * 2 ** 30, size: 2 ** 38 },
      { index: 2, offset: 187 * 2 ** 30, length: 2 ** 30 + 0xf0_0000, size: 2 ** 31 },
    ]);
  });

  it("keeps nothing apart of memory that has no room for it", () => {
    assert.deepEqual(ownRegions(2 ** 30 + 2 ** 20).split, []);
  });
});
