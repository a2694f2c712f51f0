import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { arm64Format, LEAF } from "./table-format.ts";

describe("arm64Format", () => {
  // A block of 2 MiB with bits 49, 9 and 8 set: of its address with LPA2; reserved, and its shareability, without.
  const [low, high] = [0x4020_0301, 0x2_4000] as const;
  const lpa2 = 0xe_4000_4020_0000;
  const without = 0x4000_4020_0000;

  for (const [addressBits, hasLpa2, physical] of [
    [48, undefined, without],
    [52, undefined, lpa2],
    [40, false, without],
    [40, true, lpa2],
  ] as const) {
    it(`has an address of ${physical === lpa2 ? 52 : 48} bits: ${addressBits} bits, LPA2 ${hasLpa2}`, () => {
      const format = arm64Format({
        pageShift: 12,
        addressBits,
        ...(hasLpa2 === undefined ? {} : { hasLpa2 }),
      });
      assert.equal(format.kindOf(low, high, 2), LEAF);
      assert.equal(format.physicalOf(low, high, 2), physical);
    });
  }

  for (const [pageShift, blockShift] of [
    [12, 21],
    [14, 25],
    [16, 29],
  ] as const) {
    it(`takes a block's address from ${blockShift} bits up, whatever stands below, of pages of ${2 ** pageShift}`, () => {
      const format = arm64Format({ pageShift, addressBits: 48 });
      const frame = 3 * 2 ** blockShift;
      // The next page's frame, as a handler writes it that does not look whether the block's begins there.
      const entry = frame + 2 ** pageShift + 0x701;
      assert.equal(format.kindOf(entry, 0x40, 2), LEAF);
      assert.equal(format.physicalOf(entry, 0x40, 2), 0x40_0000_0000 + frame);
      assert.equal(format.physicalOf(entry + 2, 0x40, 1), 0x40_0000_0000 + frame + 2 ** pageShift);
    });
  }
});
