import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GIB } from "../../../layout/sizes.ts";
import { partText } from "./scene.ts";

const scale = { leafOf: { pud: GIB, pmd: 2 ** 21, pte: 4096 }, gapName: "not mapped" } as const;

describe("partText", () => {
  it("says what a part is, and how much of it is in view", () => {
    const leaves = { offset: 0, size: 188 * GIB, kind: "pud" } as const;
    const rest = { offset: 0x2f_00f0_0000, size: 256 * GIB - 0x2f_00f0_0000, kind: "gap" } as const;
    assert.equal(partText(leaves, scale), "188 × 1 GiB");
    assert.equal(partText(leaves, scale, { from: 0, to: 64 * GIB }), "64 of 188 × 1 GiB");
    assert.equal(partText(rest, scale), "68 GiB not mapped");
    assert.equal(partText(rest, scale, { from: 192 * GIB, to: 256 * GIB }), "64 GiB of 68 GiB not mapped");
  });
});
