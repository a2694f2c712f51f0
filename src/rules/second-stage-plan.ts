/** What a strategy promises a guest: the second stage of a region that has no addresses on the host yet. */

import type { Area } from "../layout/areas.ts";
import { countLeaves, type LeafCount, type LeafSpan } from "../layout/leaves.ts";
import { pageTableBytes } from "../layout/page-tables.ts";
import type { PagingModel } from "../layout/paging.ts";
import { plannedAddress, type PlannedRegion } from "../layout/plan.ts";
import { roundDown, roundUp } from "../layout/sizes.ts";
import { strategyAlignment, type Strategy } from "../layout/strategies.ts";
import { secondStageSpans } from "./second-stage.ts";

/** How a guest sees the region. */
export interface GuestView {
  /** Guest-physical address of the region's first byte, a multiple of the page size. */
  readonly guestAddress: bigint;
  /** What the monitor cuts out of the region and emulates: whole pages, so each grows to its page's ends. */
  readonly holes: readonly Area[];
}

/** What a strategy promises a guest. */
export interface SecondStagePlan {
  /** Large to small; sizes without any are left out. */
  readonly leaves: readonly LeafCount[];
  /** Bytes of PTE and PMD tables of the second stage. */
  readonly pageTableBytes: number;
  /** The leaves in order, `offset` counted from the region's start. */
  readonly spans: readonly LeafSpan[];
  /** What memory slots show of the region, in order. */
  readonly slots: readonly Area[];
}

/**
 * What the strategy promises the guest. Of the host's address nothing is promised but its alignment, so no leaf larger
 * than that counts.
 */
export function planSecondStage(
  region: PlannedRegion,
  strategy: Strategy,
  { guestAddress, holes }: GuestView,
  model: PagingModel,
): SecondStagePlan {
  const together = strategy === "region" || strategy === "physical";
  const regionAlignment = strategyAlignment(strategy, region, model.pageSize);
  const slots: Area[] = [];
  const spans: LeafSpan[] = [];
  for (const area of region.areas) {
    const address = plannedAddress(region, strategy, area, model);
    // Of an area by itself the address is its alignment.
    const promised = together ? regionAlignment : address;
    for (const slot of without(area, holes, model.pageSize)) {
      slots.push(slot);
      const piece = {
        guestAddress: guestAddress + BigInt(slot.offset),
        hostAddress: BigInt(address + slot.offset - area.offset),
        physical: (region.physical ?? 0n) + BigInt(slot.offset),
        size: slot.size,
      };
      for (const { offset, size, leaf } of secondStageSpans(piece, model, promised)) {
        spans.push({ offset: slot.offset + offset, size, leaf });
      }
    }
  }
  return {
    leaves: countLeaves(spans),
    pageTableBytes: pageTableBytes([{ address: guestAddress, spans }], model),
    spans,
    slots,
  };
}

/** An area without the holes, which may overlap one another and lie outside of it. */
function without(area: Area, holes: readonly Area[], pageSize: number): Area[] {
  const end = area.offset + area.size;
  const pieces: Area[] = [];
  let from = area.offset;
  for (const hole of holes.toSorted((a, b) => a.offset - b.offset)) {
    if (hole.size === 0) continue;
    const start = Math.min(roundDown(hole.offset, pageSize), end);
    if (start > from) pieces.push({ offset: from, size: start - from });
    from = Math.max(from, roundUp(hole.offset + hole.size, pageSize));
  }
  if (end > from) pieces.push({ offset: from, size: end - from });
  return pieces;
}
