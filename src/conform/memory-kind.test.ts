import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { kindOfMemory } from "./memory-kind.ts";

/** A BAR 0 of 32 bits, and a BAR 2 of 64 bits that is prefetchable. */
const readConfig = (offset: number): number => (offset === 0x18 ? 0x1000_000c : 0x8000_0000);

describe("kindOfMemory", () => {
  it("is told by the BAR", () => {
    assert.equal(kindOfMemory(2, "vfio-pci", readConfig), "prefetchable");
    assert.equal(kindOfMemory(0, "vfio-pci", readConfig), "registers");
  });

  it("takes the registers of a GPU whose driver gives memory of its own for registers", () => {
    assert.equal(kindOfMemory(4, "nvgrace-gpu-vfio-pci", readConfig), "own-memory");
    assert.equal(kindOfMemory(0, "nvgrace-gpu-vfio-pci", readConfig), "registers");
  });

  it("takes regions that are no BARs for registers, and reads no BAR for them", () => {
    const read = (): number => assert.fail("no BAR");
    for (const region of [6, 9]) assert.equal(kindOfMemory(region, "vfio-pci", read), "registers");
  });
});
