import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { arrangeAreas } from "../layout/areas.ts";
import { pagingModels } from "../layout/paging.ts";
import { planRegion } from "../layout/plan.ts";
import { GIB, MIB } from "../layout/sizes.ts";
import { strategies } from "../layout/strategies.ts";
import { planSecondStage } from "./second-stage-plan.ts";

const model = pagingModels["x86-64"];
const eight = 8 * GIB;
const region = { size: eight, areas: arrangeAreas(eight, [{ offset: 0, size: eight }], 4096) };
const aligned = 0x38_0000_0000n;

describe("planSecondStage", () => {
  it("promises the guest what the host has, at a congruent address and without holes", () => {
    for (const strategy of strategies) {
      const view = { guestAddress: aligned, holes: [] };
      const { leaves, pageTableBytes } = planSecondStage(region, strategy, view, model);
      const host = planRegion(region, strategy, model);
      assert.deepEqual(leaves, host.leaves, strategy);
      // At an address that is better aligned than the host's, it is never more.
      assert.ok(pageTableBytes <= host.pageTableBytes, strategy);
    }
  });

  it("pays one block of each size for a hole, wherever in its page that lies", () => {
    for (const hole of [
      { offset: 3 * GIB, size: 4096 },
      { offset: 3 * GIB + 0x800, size: 0x40 },
    ]) {
      const { leaves, slots } = planSecondStage(
        region,
        "region",
        { guestAddress: aligned, holes: [hole] },
        model,
      );
      assert.deepEqual(leaves, [
        { size: GIB, count: 7 },
        { size: 2 * MIB, count: 511 },
        { size: 4096, count: 511 },
      ]);
      assert.deepEqual(slots, [
        { offset: 0, size: 3 * GIB },
        { offset: 3 * GIB + 4096, size: 5 * GIB - 4096 },
      ]);
    }
  });

  it("is capped by what guest and host address have in common", () => {
    const leaf = (guestAddress: bigint) =>
      planSecondStage(region, "region", { guestAddress, holes: [] }, model).leaves[0]?.size;
    assert.equal(leaf(aligned + 0x20_0000n), 2 * MIB);
    assert.equal(leaf(aligned + 0x1000n), 4096);
  });

  it("takes holes that overlap, touch and lie outside", () => {
    const holes = [
      { offset: 2 * GIB, size: GIB },
      { offset: 2 * GIB + MIB, size: 4096 },
      { offset: 3 * GIB, size: MIB },
      { offset: 7 * GIB, size: 9 * GIB },
      { offset: 0, size: 0 },
    ];
    const { slots } = planSecondStage(region, "region", { guestAddress: aligned, holes }, model);
    assert.deepEqual(slots, [
      { offset: 0, size: 2 * GIB },
      { offset: 3 * GIB + MIB, size: 4 * GIB - MIB },
    ]);
  });
});
