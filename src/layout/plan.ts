/** What a strategy promises for a region, before there is an address. */

import { requireOptions, requireWhole, requireWord } from "../arguments.ts";
import { type Area, requireAreas } from "./areas.ts";
import { requireAddress, requireModel } from "./checks.ts";
import {
  countLeaves,
  coverWithLeaves,
  faultsOf,
  usableLeaves,
  type LeafCount,
  type LeafSpan,
} from "./leaves.ts";
import { ownTableBytes, pageTableBytes } from "./page-tables.ts";
import type { PagingModel } from "./paging.ts";
import { roundDown } from "./sizes.ts";
import {
  areaAlignment,
  LARGEST_ALIGNMENT,
  strategies,
  strategyAlignment,
  type Strategy,
} from "./strategies.ts";

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
 * @throws ERR_ARGUMENT for what is no region, strategy or paging model
 *
 * @example
 * planRegion({ size: 0x4000000000, areas: [{ offset: 0, size: 0x2f00f00000 }] }, "region", pagingModels["x86-64"]);
 * // 188 × 1 GiB + 7 × 2 MiB + 256 × 4 KiB: 451 faults, 8 KiB of page tables
 */
export function planRegion(region: PlannedRegion, strategy: Strategy, model: PagingModel): StrategyPlan {
  requireOptions("of a region", region);
  requireWhole("the size of a region", region.size, 0);
  requireAreas(region.areas);
  if (region.physical !== undefined) requireAddress("physical address", region.physical);
  requireWord("strategy", strategy, strategies);
  requireModel(model);
  const alignment = strategyAlignment(strategy, region, model.pageSize);
  const placed =
    strategy === "none" || strategy === "area"
      ? placeApart(region, strategy, model)
      : placeTogether(region, strategy, alignment, model);
  const leaves = countLeaves(placed.spans);
  return { strategy, alignment, leaves, faults: faultsOf(leaves), ...placed };
}

/**
 * The address that a plan takes for an area, whose promise is its alignment and nothing more: the alignment itself, a
 * multiple of itself and of nothing larger.
 */
export function plannedAddress(
  region: PlannedRegion,
  strategy: Strategy,
  { offset, size }: Area,
  model: PagingModel,
): number {
  switch (strategy) {
    case "none":
      return model.pageSize;
    case "area":
      return Math.max(areaAlignment(size), model.pageSize);
    case "region":
    case "physical":
      return plannedBase(region, strategy, model) + offset;
  }
}

/** The address of offset 0 where all areas lie at their offsets from one address. */
function plannedBase(region: PlannedRegion, strategy: "region" | "physical", model: PagingModel): number {
  const alignment = strategyAlignment(strategy, region, model.pageSize);
  return alignment + (strategy === "physical" ? physicalStart(region, model) % alignment : 0);
}

interface Placed {
  readonly pageTableBytes: number;
  readonly spans: readonly LeafSpan[];
}

/** All areas at their offsets from one address. */
function placeTogether(
  region: PlannedRegion,
  strategy: "region" | "physical",
  alignment: number,
  model: PagingModel,
): Placed {
  const base = plannedBase(region, strategy, model);
  const leaves = usableLeaves(model, alignment, physicalStart(region, model) - base);
  const spans: LeafSpan[] = [];
  for (const { offset, size } of region.areas) {
    coverWithLeaves(base + offset, base + offset + size, leaves, (from, to, leaf) => {
      spans.push({ offset: from - base, size: to - from, leaf });
    });
  }
  return { pageTableBytes: pageTableBytes([{ address: BigInt(base), spans }], model), spans };
}

/** Each area at an address of its own, which is its alignment, with page tables of its own. */
function placeApart(region: PlannedRegion, strategy: "none" | "area", model: PagingModel): Placed {
  const physical = physicalStart(region, model);
  let bytes = 0;
  const spans: LeafSpan[] = [];
  // Areas are often alike, and each has a handful of spans at most.
  const alike = new Map<string, Covered>();
  for (const area of region.areas) {
    const { offset, size } = area;
    const own = plannedAddress(region, strategy, area, model);
    const shift = (physical + offset - own) % model.pudSize;
    const key = `${size} ${own} ${shift}`;
    let covered = alike.get(key);
    if (covered === undefined) alike.set(key, (covered = coverApart(own, size, shift, model)));
    for (const span of covered.spans) {
      spans.push({ offset: offset + span.offset, size: span.size, leaf: span.leaf });
    }
    bytes += covered.bytes;
  }
  return { pageTableBytes: bytes, spans };
}

interface Covered {
  readonly spans: readonly LeafSpan[];
  /** Of its page tables. */
  readonly bytes: number;
}

function coverApart(own: number, size: number, shift: number, model: PagingModel): Covered {
  const spans: LeafSpan[] = [];
  coverWithLeaves(own, own + size, usableLeaves(model, own, shift), (from, to, leaf) => {
    spans.push({ offset: from - own, size: to - from, leaf });
  });
  return { spans, bytes: ownTableBytes(own, spans, model) };
}

/** The region's physical address, modulo what no alignment exceeds; BARs start at a multiple of their size: 0. */
function physicalStart({ physical = 0n }: PlannedRegion, { pageSize }: PagingModel): number {
  return roundDown(Number(physical % BigInt(LARGEST_ALIGNMENT)), pageSize);
}
