import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GIB, KIB, MIB } from "../layout/sizes.ts";
import { mapDmaSteps } from "./dma-steps.ts";

describe("mapDmaSteps", () => {
  it("is what was seen for 1 GiB in one leaf", () => {
    const leaves = [{ size: GIB, count: 1 }];
    assert.deepEqual(mapDmaSteps("6.12.107+deb13-amd64", leaves, 4 * KIB), {
      least: 262_145,
      most: 262_145,
      byLeaf: false,
    });
    assert.deepEqual(mapDmaSteps("7.2.13", leaves, 4 * KIB), { least: 2, most: 2, byLeaf: true });
  });

  it("counts each leaf of those that are there", () => {
    const leaves = [
      { size: 2 * MIB, count: 7 },
      { size: 4 * KIB, count: 256 },
    ];
    const steps = (kernel: string) => mapDmaSteps(kernel, leaves, 4 * KIB, { touched: true });
    assert.deepEqual(steps("6.18.60"), { least: 263, most: 263, byLeaf: true });
    assert.deepEqual(steps("6.12.107"), { least: 7 * 512 + 256, most: 7 * 512 + 256, byLeaf: false });
    assert.deepEqual(steps("6.12.0-124.el10.x86_64"), { least: 263, most: 7 * 512 + 256, byLeaf: null });
    assert.deepEqual(mapDmaSteps("7.3.4", [], 4 * KIB), { least: 0, most: 0, byLeaf: true });
  });
});
