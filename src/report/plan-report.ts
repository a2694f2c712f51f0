/** What each strategy promises for a region of any shape: as text, JSON and picture. */

import type { LeafSpan } from "../layout/leaves.ts";
import { formatSize } from "../layout/sizes.ts";
import { costJson, costText, type PlannedCost } from "./plan-cost.ts";
import { mappable, planDrawing, type DrawnPlan, type DrawnStrategy } from "./picture/drawing/plan-picture.ts";
import type { Picture } from "./picture/drawing/picture.ts";
import { renderTerminal } from "./picture/media/terminal.ts";
import { tableText } from "./text/fitted-table.ts";
import { formatCount, formatLeaves, roundedSize } from "./text/numbers.ts";
import type { TextLayout } from "./text/text-layout.ts";
import { paragraph } from "./text/wrapped.ts";

/** A strategy's plan, and what a start of a virtual machine costs by it. */
interface Planned extends DrawnStrategy {
  /** Null where nobody asked. */
  readonly cost: PlannedCost | null;
}

/** What there is to print. */
export interface PlanResult extends DrawnPlan {
  /** Whose rule the cost is by; null where it is not asked for. */
  readonly kernel: string | null;
  readonly plans: readonly Planned[];
  /** One strategy was asked for: its parts are listed. */
  readonly single: boolean;
}

export function planJson({ model, region, view, kernel, plans }: PlanResult): object {
  return {
    schemaVersion: 1,
    arch: model.name,
    kernel,
    region: {
      size: region.size,
      areas: region.areas,
      guestAddress: view === null ? null : `0x${view.guestAddress.toString(16)}`,
      holes: view?.holes ?? [],
    },
    strategies: plans.map(({ strategy, alignment, leaves, faults, pageTableBytes, guest, cost }) => ({
      strategy,
      alignment,
      leaves,
      faults,
      pageTableBytes,
      guest: guest === null ? null : { leaves: guest.leaves, pageTableBytes: guest.pageTableBytes },
      cost: cost === null ? null : costJson(cost),
    })),
  };
}

export function planText(result: PlanResult, layout: TextLayout): string {
  const { region, kernel, plans, single } = result;
  const parts = [paragraph({ text: heading(result), width: layout.width }), table(plans, layout)];
  if (kernel !== null) parts.push(costText(plans, kernel, layout));
  if (region.size > 0) {
    parts.push(renderTerminal(planDrawing(result), layout));
  }
  if (single) parts.push(...plans.map((plan) => partsTable(plan, layout)));
  return parts.join("\n");
}

export function planPicture(result: PlanResult): Picture {
  const drawing = planDrawing(result);
  return { title: drawing.title, notes: drawing.notes, drawings: [drawing] };
}

function heading({ model, region, view }: PlanResult): string {
  const physical =
    region.physical === undefined ? "" : `, at physical address 0x${region.physical.toString(16)}`;
  const guest = view === null ? "" : `, in the guest at 0x${view.guestAddress.toString(16)}`;
  return `Region of ${formatSize(region.size)}${physical}${guest}; mappable: ${mappable(region)}; paging: ${model.name}`;
}

function table(plans: readonly Planned[], layout: TextLayout): string {
  const hasGuest = plans.some(({ guest }) => guest !== null);
  return tableText(
    [
      { title: "STRATEGY", align: "left" },
      { title: "ALIGNMENT", align: "right", dispensable: 2 },
      { title: "LEAVES", align: "left", shrinksTo: 16, dispensable: 1 },
      { title: "FAULTS", align: "right" },
      { title: "PAGE TABLES", align: "right" },
      ...(hasGuest
        ? ([
            { title: "GUEST'S LEAVES", align: "left", shrinksTo: 16, dispensable: 3 },
            { title: "GUEST'S TABLES", align: "right" },
          ] as const)
        : []),
    ],
    plans.map(({ strategy, alignment, leaves, faults, pageTableBytes, guest }) => [
      strategy,
      formatSize(alignment),
      formatLeaves(leaves),
      formatCount(faults),
      roundedSize(pageTableBytes),
      ...(guest === null ? [] : [formatLeaves(guest.leaves), roundedSize(guest.pageTableBytes)]),
    ]),
    layout,
  );
}

function partsTable({ spans, guest }: Planned, layout: TextLayout): string {
  const host = spansTable(spans, layout);
  return guest === null ? host : `${host}\nIn the guest:\n\n${spansTable(guest.spans, layout)}`;
}

function spansTable(spans: readonly LeafSpan[], layout: TextLayout): string {
  return tableText(
    [
      { title: "OFFSET", align: "right" },
      { title: "END", align: "right" },
      { title: "LEAVES", align: "left" },
    ],
    spans.map(({ offset, size, leaf }) => [
      hex(offset),
      hex(offset + size),
      formatLeaves([{ size: leaf, count: size / leaf }]),
    ]),
    layout,
  );
}

function hex(offset: number): string {
  return `0x${offset.toString(16)}`;
}
