import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { walkFaults, type Vma } from "../../test/support/fault-walk.ts";
import type { LeafCount } from "./leaves.ts";
import { pagingModels, type PagingModel } from "./paging.ts";
import { planRegion, type PlannedRegion } from "./plan.ts";
import { GIB, KIB, MIB } from "./sizes.ts";
import { strategies, type Strategy } from "./strategies.ts";

const models = Object.values(pagingModels);

interface Promised {
  readonly leaves: readonly LeafCount[];
  readonly faults: number;
  readonly pageTableBytes: number;
}

function promiseOf(region: PlannedRegion, strategy: Strategy, model: PagingModel): Promised {
  const { leaves, faults, pageTableBytes } = planRegion(region, strategy, model);
  return { leaves, faults, pageTableBytes };
}

const leaf = (size: number, count: number): LeafCount => ({ size, count });

describe("the worked case: 0x4000000000 bytes, one area 0–0x2F00F00000", () => {
  const region = { size: 0x4000000000, areas: [{ offset: 0, size: 0x2f00f00000 }] };
  const size = 0x2f00f00000;

  const gigabytes: Promised = {
    leaves: [leaf(GIB, 188), leaf(2 * MIB, 7), leaf(4 * KIB, 256)],
    faults: 451,
    // A PMD and a PTE table, both for the last 15 MiB.
    pageTableBytes: 8 * KIB,
  };
  const aligned: Record<PagingModel["name"], Promised> = {
    "x86-64": gigabytes,
    "arm64-4k": {
      leaves: [leaf(2 * MIB, 96_263), leaf(4 * KIB, 256)],
      faults: 96_519,
      // 189 PMD tables, one for each GiB begun, and a PTE table.
      pageTableBytes: 190 * 4 * KIB,
    },
    "arm64-16k": {
      leaves: [leaf(32 * MIB, 6016), leaf(16 * KIB, 960)],
      faults: 6976,
      // From 1 GiB to 189 GiB: 3 PMD tables of 64 GiB; and a PTE table.
      pageTableBytes: 4 * 16 * KIB,
    },
    "arm64-64k": {
      leaves: [leaf(512 * MIB, 376), leaf(64 * KIB, 240)],
      faults: 616,
      pageTableBytes: 2 * 64 * KIB,
    },
    riscv64: gigabytes,
    "ppc64-radix-4k": gigabytes,
    "ppc64-radix-64k": {
      leaves: [leaf(GIB, 188), leaf(2 * MIB, 7), leaf(64 * KIB, 16)],
      faults: 211,
      // A PMD table of 512 entries and a PTE table of 32, of eight bytes each.
      pageTableBytes: 4096 + 256,
    },
  };

  // Nothing but pages: a PTE table for each PMD-sized block begun, a PMD table for each PUD-sized one.
  const pages: Promised = {
    leaves: [leaf(4 * KIB, 49_286_912)],
    faults: 49_286_912,
    pageTableBytes: (96_264 + 189) * 4 * KIB,
  };
  const unaligned: Record<PagingModel["name"], Promised> = {
    "x86-64": pages,
    "arm64-4k": pages,
    "arm64-16k": {
      leaves: [leaf(16 * KIB, 12_321_728)],
      faults: 12_321_728,
      pageTableBytes: (6017 + 3) * 16 * KIB,
    },
    "arm64-64k": {
      leaves: [leaf(64 * KIB, 3_080_432)],
      faults: 3_080_432,
      pageTableBytes: (377 + 1) * 64 * KIB,
    },
    riscv64: pages,
    "ppc64-radix-4k": pages,
    "ppc64-radix-64k": {
      leaves: [leaf(64 * KIB, 3_080_432)],
      faults: 3_080_432,
      pageTableBytes: 96_264 * 256 + 189 * 4 * KIB,
    },
  };

  for (const model of models) {
    it(`promises on ${model.name} what was worked out by hand`, () => {
      assert.deepEqual(promiseOf(region, "region", model), aligned[model.name]);
      assert.deepEqual(promiseOf(region, "physical", model), aligned[model.name]);
      // 1 MiB is the largest power of two in the area's size: below every PMD leaf.
      assert.deepEqual(promiseOf(region, "area", model), unaligned[model.name]);
      assert.deepEqual(promiseOf(region, "none", model), unaligned[model.name]);
    });

    it(`gets from the kernel's rule on ${model.name} what it promises`, () => {
      const start = BigInt(GIB);
      const walked = walkFaults([{ start, end: start + BigInt(size), physical: 0n }], model);
      assert.equal(walked.faults, aligned[model.name].faults);
      assert.equal(walked.pageTableBytes, aligned[model.name].pageTableBytes);
    });
  }

  it("names the alignment of each strategy", () => {
    const alignments = strategies.map(
      (strategy) => planRegion(region, strategy, pagingModels["x86-64"]).alignment,
    );
    assert.deepEqual(alignments, [4 * KIB, MIB, GIB, GIB]);
  });

  it("draws the leaves in order, from the region's start", () => {
    assert.deepEqual(planRegion(region, "region", pagingModels["x86-64"]).spans, [
      { offset: 0, size: 188 * GIB, leaf: GIB },
      { offset: 188 * GIB, size: 14 * MIB, leaf: 2 * MIB },
      { offset: 188 * GIB + 14 * MIB, size: MIB, leaf: 4 * KIB },
    ]);
  });
});

describe("128 GiB with one area of 32 GiB at 0x600000", () => {
  const region = { size: 128 * GIB, areas: [{ offset: 0x600000, size: 32 * GIB }] };
  const model = pagingModels["x86-64"];

  it("gets 31 × 1 GiB and 512 × 2 MiB where congruent", () => {
    const congruent = {
      leaves: [leaf(GIB, 31), leaf(2 * MIB, 512)],
      faults: 543,
      pageTableBytes: 2 * 4 * KIB,
    };
    assert.deepEqual(promiseOf(region, "region", model), congruent);
    const physical = BigInt(256 * GIB);
    assert.deepEqual(promiseOf({ ...region, physical }, "region", model), congruent);
    // BARs are aligned, but `physical` is for what is not.
    const odd = physical + BigInt(GIB - 0x600000);
    const whole = { leaves: [leaf(GIB, 32)], faults: 32, pageTableBytes: 0 };
    assert.deepEqual(promiseOf({ ...region, physical: odd }, "physical", model), whole);
    // Of `region`, that leaves congruence modulo 2 MiB.
    const pmds = { leaves: [leaf(2 * MIB, 16_384)], faults: 16_384, pageTableBytes: 33 * 4 * KIB };
    assert.deepEqual(promiseOf({ ...region, physical: odd }, "region", model), pmds);
  });

  it("loses the large leaves where the area is aligned by itself: 0x600000 past a GiB in physical memory", () => {
    const alone = { leaves: [leaf(2 * MIB, 16_384)], faults: 16_384, pageTableBytes: 32 * 4 * KIB };
    assert.deepEqual(promiseOf(region, "area", model), alone);
  });
});

describe("planRegion", () => {
  /** A region of areas on pages, large enough for every leaf of the smaller models, with or without a physical address. */
  function regions(model: PagingModel): fc.Arbitrary<PlannedRegion> {
    const { pageSize, pmdSize } = model;
    const length = fc.oneof(
      fc.integer({ min: 1, max: 300 }).map((pages) => pages * pageSize),
      fc.integer({ min: 1, max: 3 }).map((blocks) => blocks * pmdSize),
    );
    return fc
      .record({
        steps: fc.array(fc.tuple(fc.constantFrom(0, pageSize, pmdSize, pmdSize - pageSize), length), {
          maxLength: 3,
        }),
        tail: fc.nat(2).map((pages) => pages * pageSize),
        physical: fc.option(
          fc.nat(5000).map((pages) => BigInt(pages) * BigInt(pageSize)),
          { nil: null },
        ),
      })
      .map(({ steps, tail, physical }) => {
        let end = 0;
        const areas = steps.map(([gap, size]) => {
          const offset = end + gap;
          end = offset + size;
          return { offset, size };
        });
        const size = end + tail;
        return physical === null ? { size, areas } : { size, areas, physical };
      });
  }

  /** DESIGN's words, done slowly: where each strategy puts each area, and what it may use there. */
  function placed(region: PlannedRegion, strategy: Strategy, model: PagingModel): Vma[] {
    let whole = model.pageSize;
    while (whole < region.size && whole < GIB) whole *= 2;
    const physical = region.physical ?? 0n;
    return region.areas.map(({ offset, size }) => {
      let own = model.pageSize;
      if (strategy === "area") while (own < GIB && size % (own * 2) === 0) own *= 2;
      const together = BigInt(whole + offset) + (strategy === "physical" ? physical % BigInt(whole) : 0n);
      const apart = strategy === "none" || strategy === "area";
      const start = apart ? BigInt(own) : together;
      const end = start + BigInt(size);
      return { start, end, physical: physical + BigInt(offset), largestLeaf: apart ? own : whole };
    });
  }

  for (const model of models) {
    it(`agrees with a walk of the kernel's fault rule on ${model.name}`, () => {
      fc.assert(
        fc.property(regions(model), fc.constantFrom(...strategies), (region, strategy) => {
          const vmas = placed(region, strategy, model);
          const apart = strategy === "none" || strategy === "area";
          const walks = apart ? vmas.map((vma) => walkFaults([vma], model)) : [walkFaults(vmas, model)];
          const sum = (count: (walked: (typeof walks)[number]) => number): number =>
            walks.reduce((total, walked) => total + count(walked), 0);

          const plan = planRegion(region, strategy, model);
          assert.equal(
            plan.faults,
            sum(({ faults }) => faults),
          );
          assert.equal(
            plan.pageTableBytes,
            sum(({ pageTableBytes }) => pageTableBytes),
          );
          const walkedLeaves = walks.flatMap(({ leaves }) => leaves.flat());
          for (const { size, count } of plan.leaves) {
            assert.equal(walkedLeaves.filter((walked) => walked.size === size).length, count);
          }
        }),
        { numRuns: 200 },
      );
    });

    it(`covers the areas, and nothing else, on ${model.name}`, () => {
      fc.assert(
        fc.property(regions(model), fc.constantFrom(...strategies), (region, strategy) => {
          const pieces = planRegion(region, strategy, model).spans;
          for (const { offset, size } of region.areas) {
            const inside = pieces.filter((piece) => piece.offset >= offset && piece.offset < offset + size);
            let end = offset;
            for (const piece of inside) {
              assert.equal(piece.offset, end);
              end += piece.size;
            }
            assert.equal(end, offset + size);
          }
          const covered = pieces.reduce((total, { size }) => total + size, 0);
          assert.equal(
            covered,
            region.areas.reduce((total, { size }) => total + size, 0),
          );
        }),
      );
    });
  }

  it("promises nothing for a region without areas", () => {
    for (const size of [0, 1, GIB]) {
      for (const strategy of strategies) {
        const { leaves, faults, pageTableBytes, spans } = planRegion(
          { size, areas: [] },
          strategy,
          pagingModels["x86-64"],
        );
        assert.deepEqual(
          { leaves, faults, pageTableBytes, spans },
          { leaves: [], faults: 0, pageTableBytes: 0, spans: [] },
        );
      }
    }
  });

  it("counts no leaf above the alignment: what luck gives is no promise", () => {
    const region = { size: MIB, areas: [{ offset: 0, size: MIB }] };
    assert.deepEqual(promiseOf(region, "region", pagingModels["x86-64"]), {
      leaves: [leaf(4 * KIB, 256)],
      faults: 256,
      pageTableBytes: 2 * 4 * KIB,
    });
  });

  it("is exact at the end of the largest region", () => {
    const area = { offset: 2 ** 53 - 2 * MIB - 8 * KIB, size: 2 * MIB + 4 * KIB };
    const plan = planRegion(
      { size: Number.MAX_SAFE_INTEGER, areas: [area] },
      "region",
      pagingModels["x86-64"],
    );
    // 8 KiB before a boundary, the area takes two pages, and 511 past it: no block whole.
    assert.deepEqual(plan.spans, [{ ...area, leaf: 4 * KIB }]);
    assert.equal(plan.faults, 513);
    assert.equal(plan.pageTableBytes, 3 * 4 * KIB);
  });

  it("takes a hundred thousand areas", () => {
    const areas = Array.from({ length: 100_000 }, (_, i) => ({
      offset: i * 4 * MIB,
      size: 2 * MIB + 4 * KIB,
    }));
    const region = { size: 100_000 * 4 * MIB, areas };
    assert.deepEqual(promiseOf(region, "region", pagingModels["x86-64"]), {
      leaves: [leaf(2 * MIB, 100_000), leaf(4 * KIB, 100_000)],
      faults: 200_000,
      // A PTE table for each area's last page, a PMD table for each GiB: 391 of 256 areas.
      pageTableBytes: (100_000 + 391) * 4 * KIB,
    });
    assert.equal(planRegion(region, "none", pagingModels["x86-64"]).faults, 51_300_000);
  });
});
