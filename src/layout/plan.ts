/** What a strategy promises for a region, before there is an address. */

import type { Area } from "./areas.ts";
import { countLeaves, faultsOf, leafSpans, type LeafCount, type LeafSpan } from "./leaves.ts";
import { pageTableBytes } from "./page-tables.ts";
import type { PagingModel } from "./paging.ts";
import { areaAlignment, strategyAlignment, type Strategy } from "./strategies.ts";

/** A region to plan for. */
export interface PlannedRegion {
  /** Bytes. */
  readonly size: number;
  /** As `arrangeAreas` gave them. */
  readonly areas: readonly Area[];
  /** Physical address of the region's first byte. Without it: a multiple of the size, rounded up to a power of two. */
  readonly physical?: bigint;
}

/** What a strategy promises. */
export interface StrategyPlan {
  readonly strategy: Strategy;
  /** Bytes; where each area is mapped by itself (`none`, `area`), the smallest of theirs. */
  readonly alignment: number;
  /** Large to small; sizes without any are left out. */
  readonly leaves: readonly LeafCount[];
  /** Page faults until all of the areas are mapped. */
  readonly faults: number;
  readonly pageTableBytes: number;
  /** The leaves in order, `offset` counted from the region's start. */
  readonly spans: readonly LeafSpan[];
}

/**
 * What the strategy promises for the region: only leaves up to the alignment count, as a larger one would be luck.
 *
 * @example
 * planRegion({ size: 0x4000000000, areas: [{ offset: 0, size: 0x2f00f00000 }] }, "region", pagingModels["x86-64"]);
 * // 188 × 1 GiB + 7 × 2 MiB + 256 × 4 KiB: 451 faults, 8 KiB of page tables
 */
export function planRegion(region: PlannedRegion, strategy: Strategy, model: PagingModel): StrategyPlan {
  const alignment = strategyAlignment(strategy, region, model.pageSize);
  // BARs start at a multiple of their size, a power of two; modulo every leaf up to the alignment, that is 0.
  const physical = region.physical ?? 0n;
  const together = strategy === "region" || strategy === "physical";
  // The address taken is the alignment itself: a multiple of it, and of nothing larger.
  const base = BigInt(alignment) + (strategy === "physical" ? physical % BigInt(alignment) : 0n);

  const mappings = region.areas.map(({ offset, size }) => {
    const own = strategy === "area" ? Math.max(areaAlignment(size), model.pageSize) : alignment;
    const address = together ? base + BigInt(offset) : BigInt(own);
    const vma = { address, size, physical: physical + BigInt(offset) };
    return { offset, address, spans: leafSpans(vma, model, { largestLeaf: own }) };
  });
  const spans = mappings.flatMap((mapping) =>
    mapping.spans.map((span) => ({ ...span, offset: mapping.offset + span.offset })),
  );
  const leaves = countLeaves(spans);
  return {
    strategy,
    alignment,
    leaves,
    faults: faultsOf(leaves),
    pageTableBytes: together
      ? pageTableBytes(mappings, model)
      : mappings.reduce((bytes, mapping) => bytes + pageTableBytes([mapping], model), 0),
    spans,
  };
}
