/** A strategy's plan as a strip, and the words for what a strategy does. */

import { plannedAddress, type PlannedRegion, type StrategyPlan } from "../../../layout/plan.ts";
import type { PagingModel } from "../../../layout/paging.ts";
import type { Strategy } from "../../../layout/strategies.ts";
import type { GuestView, SecondStagePlan } from "../../../rules/second-stage-plan.ts";
import { faultsOf } from "../../../layout/leaves.ts";
import type { StripInput } from "./drawing.ts";

export const STRATEGY_IN_WORDS: Readonly<Record<Strategy, string>> = {
  none: "the kernel chooses the address",
  area: "each area aligned by its own size",
  region: "the whole region aligned",
  physical: "congruent with the physical address",
};

export function planStrip(plan: StrategyPlan, region: PlannedRegion, model: PagingModel): StripInput {
  const { strategy, leaves, faults, pageTableBytes, spans } = plan;
  return {
    name: strategy,
    about: STRATEGY_IN_WORDS[strategy],
    leaves,
    faults,
    pageTableBytes,
    spans,
    pieces: () =>
      region.areas.map((area) => ({
        ...area,
        address: BigInt(plannedAddress(region, strategy, area, model)),
      })),
    mapped: false,
  };
}

/** The second stage of a strategy's plan: the strip below that of the host's own tables. */
export function guestStrip(
  strategy: Strategy,
  { leaves, pageTableBytes, spans, slots }: SecondStagePlan,
  { guestAddress }: GuestView,
): StripInput {
  return {
    name: `${strategy}, guest`,
    about: "the second stage, by guest-physical addresses",
    leaves,
    faults: faultsOf(leaves),
    pageTableBytes,
    spans,
    pieces: () => slots.map((slot) => ({ ...slot, address: guestAddress + BigInt(slot.offset) })),
    mapped: false,
  };
}
