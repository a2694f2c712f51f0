import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pagingModels } from "../layout/paging.ts";
import { GIB, KIB, MIB } from "../layout/sizes.ts";
import { dmaCost, iommuLeaves } from "./boot-cost.ts";

const x86 = pagingModels["x86-64"];

describe("dmaCost", () => {
  it("is what was measured for 1 GiB on two kernels, and says what the other would take", () => {
    const aligned = [{ size: GIB, count: 1 }];
    assert.deepEqual(dmaCost("6.12.117", aligned, 4096), {
      steps: { least: 262_145, most: 262_145, byLeaf: false },
      byLeaf: 2,
      byPage: 262_145,
    });
    assert.equal(dmaCost("7.2.13", aligned, 4096).steps.least, 2);
    const off = [{ size: 2 * MIB, count: 512 }];
    assert.equal(dmaCost("6.12.117", off, 4096).steps.least, 262_656);
    assert.equal(dmaCost("7.2.13", off, 4096).steps.least, 1024);
  });
});

describe("iommuLeaves", () => {
  const slots = [{ offset: 0, size: 4 * GIB }];
  it("follow from guest and physical address alone", () => {
    assert.deepEqual(iommuLeaves(slots, 0x38_0000_0000n, 0x4000_0000n, x86), [{ size: GIB, count: 4 }]);
    const off = iommuLeaves(slots, 0x38_0020_0000n, 0x4000_0000n, x86);
    assert.deepEqual(off, [{ size: 2 * MIB, count: 2048 }]);
  });

  it("pay for a hole", () => {
    const split = [
      { offset: 0, size: GIB },
      { offset: GIB + 4 * KIB, size: GIB - 4 * KIB },
    ];
    assert.deepEqual(iommuLeaves(split, 0x38_0000_0000n, 0x4000_0000n, x86), [
      { size: GIB, count: 1 },
      { size: 2 * MIB, count: 511 },
      { size: 4 * KIB, count: 511 },
    ]);
  });
});
