/** What a start of a virtual machine costs by each strategy, as text and as JSON. */

import type { LeafCount } from "../layout/leaves.ts";
import type { PagingModel } from "../layout/paging.ts";
import type { PlannedRegion, StrategyPlan } from "../layout/plan.ts";
import { formatCount, formatLeaves, roundedSize } from "./text/numbers.ts";
import { tableText } from "./text/fitted-table.ts";
import type { TextLayout } from "./text/text-layout.ts";
import { paragraph } from "./text/wrapped.ts";
import { dmaCost, iommuLeaves, type DmaCost } from "../rules/boot-cost.ts";
import type { DmaSteps } from "../rules/dma-steps.ts";
import type { GuestView, SecondStagePlan } from "../rules/second-stage-plan.ts";

export interface PlannedCost {
  readonly dma: DmaCost;
  /** Null where no guest's address was given. */
  readonly iommu: readonly LeafCount[] | null;
}

export function planCost(
  plan: StrategyPlan,
  guest: SecondStagePlan | null,
  region: PlannedRegion,
  view: GuestView | null,
  kernel: string,
  model: PagingModel,
): PlannedCost {
  return {
    dma: dmaCost(kernel, plan.leaves, model.pageSize),
    iommu:
      guest === null || view === null
        ? null
        : iommuLeaves(guest.slots, view.guestAddress, region.physical ?? 0n, model),
  };
}

export function costJson({ dma, iommu }: PlannedCost): object {
  const { steps, byLeaf, byPage } = dma;
  return {
    dmaSteps: { least: steps.least, most: steps.most },
    dmaStepsByLeaf: byLeaf,
    dmaStepsByPage: byPage,
    iommuLeaves: iommu,
  };
}

interface CostRow extends StrategyPlan {
  readonly guest: SecondStagePlan | null;
  readonly cost: PlannedCost | null;
}

/** One row for each strategy. */
export function costText(rows: readonly CostRow[], kernel: string, layout: TextLayout): string {
  const hasGuest = rows.some(({ guest }) => guest !== null);
  const table = tableText(
    [
      { title: "COST", align: "left" },
      { title: "FAULTS", align: "right" },
      { title: "DMA STEPS", align: "right" },
      { title: "BY LEAF", align: "right", dispensable: 2 },
      { title: "BY PAGE", align: "right", dispensable: 3 },
      { title: "PAGE TABLES, ALL", align: "right", dispensable: 1 },
      ...(hasGuest ? [{ title: "IOMMU'S LEAVES", align: "left", dispensable: 4 } as const] : []),
    ],
    rows.flatMap(({ strategy, faults, pageTableBytes, guest, cost }) => {
      if (cost === null) return [];
      const { dma, iommu } = cost;
      return [
        [
          strategy,
          formatCount(faults),
          stepsInWords(dma.steps),
          formatCount(dma.byLeaf),
          formatCount(dma.byPage),
          roundedSize(pageTableBytes + (guest?.pageTableBytes ?? 0)),
          ...(iommu === null ? [] : [formatLeaves(iommu)]),
        ],
      ];
    }),
    layout,
  );
  const text = `DMA steps are those of mapping the region for DMA once, on Linux ${kernel}; a guest has it done each time that it switches memory decoding on. By leaf: Linux 6.15 and newer; by page: older ones. docs/slow-boots.md tells more.`;
  return `${table}\n${paragraph({ text, width: layout.width })}`;
}

function stepsInWords({ least, most }: DmaSteps): string {
  return least === most ? formatCount(least) : `${formatCount(least)} to ${formatCount(most)}`;
}
