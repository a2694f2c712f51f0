/** What each strategy promises for a region of any shape, as a picture. It also runs in a browser: the planner draws with it. */

import type { PagingModel } from "../../../layout/paging.ts";
import type { PlannedRegion, StrategyPlan } from "../../../layout/plan.ts";
import { formatSize } from "../../../layout/sizes.ts";
import type { GuestView, SecondStagePlan } from "../../../rules/second-stage-plan.ts";
import { countOf, roundedSize } from "../../text/numbers.ts";
import { drawRegion, type Drawing } from "./drawing.ts";
import { guestStrip, planStrip } from "./plan-strip.ts";

/** A strategy's plan, and what a guest gets of it; null where nobody asked. */
export interface DrawnStrategy extends StrategyPlan {
  readonly guest: SecondStagePlan | null;
}

export interface DrawnPlan {
  readonly model: PagingModel;
  readonly region: PlannedRegion;
  readonly view: GuestView | null;
  readonly plans: readonly DrawnStrategy[];
}

export function planDrawing(plan: DrawnPlan): Drawing {
  const { model, region, view, plans } = plan;
  return drawRegion(
    {
      title: `Region of ${formatSize(region.size)}`,
      notes: notesOn(plan),
      size: region.size,
      // Without it, the plan takes the region to start at a multiple of its size, as BARs do.
      physical: region.physical ?? 0n,
      gapName: "gap",
    },
    plans.flatMap((each) => {
      const strip = planStrip(each, region, model);
      if (each.guest === null || view === null) return [strip];
      return [strip, guestStrip(each.strategy, each.guest, view)];
    }),
    model,
  );
}

function notesOn({ model, region, view }: DrawnPlan): string[] {
  const physical =
    region.physical === undefined
      ? "taken to start at a multiple of its size, as BARs do"
      : `at physical address 0x${region.physical.toString(16)}`;
  return [
    `Mappable: ${mappable(region)}; ${physical}; paging: ${model.name}, pages of ${formatSize(model.pageSize)}`,
    "What each strategy promises: leaves that chance alone would bring do not count",
    ...(view === null ? [] : [guestNote(view)]),
  ];
}

function guestNote({ guestAddress, holes }: GuestView): string {
  const cut = holes.length === 0 ? "nothing" : countOf(holes.length, "hole");
  return `In the guest at 0x${guestAddress.toString(16)}, with ${cut} cut out of it by the monitor`;
}

/** `188 GiB in 1 area` */
export function mappable({ areas }: PlannedRegion): string {
  const bytes = areas.reduce((sum, { size }) => sum + size, 0);
  return `${roundedSize(bytes)} in ${countOf(areas.length, "area")}`;
}
