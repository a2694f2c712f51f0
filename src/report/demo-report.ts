/** The demo in words, as JSON and as a picture: one table of mappings, a drawing, and what was measured. */

import type { ModelledLayout } from "../device/leaves/mapping-layout.ts";
import type { Area } from "../layout/areas.ts";
import { leafSizes, pagingModels, type PagingModel } from "../layout/paging.ts";
import { planRegion } from "../layout/plan.ts";
import { formatSize } from "../layout/sizes.ts";
import type { Strategy } from "../layout/strategies.ts";
import { drawRegion, type Drawing } from "./picture/drawing/drawing.ts";
import type { Picture } from "./picture/drawing/picture.ts";
import { mappedStrip } from "./picture/drawing/mapped-strip.ts";
import { STRATEGY_IN_WORDS } from "./picture/drawing/plan-strip.ts";
import { renderTerminal } from "./picture/media/terminal.ts";
import { tableText, type FittedColumn } from "./text/fitted-table.ts";
import { formatCount, roundedSize } from "./text/numbers.ts";
import type { TextLayout } from "./text/text-layout.ts";
import { paragraph } from "./text/wrapped.ts";

/** A figure for the measured part, as predicted and as this machine had it. */
interface Comparison {
  readonly predicted: number;
  readonly measured: number;
}

export interface Measurement {
  /** By the addresses of the faults, or by the process's counters, which count its own faults too. */
  readonly measuredBy: "addresses" | "counters";
  readonly faults: Comparison;
  readonly pageTableBytes: Comparison;
}

/** One mapping, as it was. */
export interface DemoMapping {
  readonly strategy: Strategy;
  /** Its line in /proc/self/maps. */
  readonly vma: string;
  readonly address: bigint;
  /** What the strategy promises, in bytes. */
  readonly alignment: number;
  /** The largest power of two that divides the address, at most 1 GiB: there is no larger leaf. */
  readonly alignmentReached: number;
  readonly layout: ModelledLayout;
  /** Null where nothing could be measured. */
  readonly measurement: Measurement | null;
}

export interface DemoResult {
  /** `uname -r` */
  readonly kernel: string;
  /** The region of the demo's device. */
  readonly region: { readonly index: number; readonly size: number; readonly areas: readonly Area[] };
  /** The part of each mapping that is measured, in bytes. */
  readonly measuredBytes: number;
  readonly mappings: readonly DemoMapping[];
  /** Why nothing was measured; null where it was. */
  readonly hindrance: string | null;
}

export function demoText(result: DemoResult, layout: TextLayout): string {
  const { mappings, hindrance } = result;
  const [first] = mappings;
  if (first === undefined) return "";
  const model = pagingModels[first.layout.model];
  return [
    introduction(result, layout),
    mappingsTable(mappings, model, layout),
    renderTerminal(demoDrawing(result, model), layout),
    hindrance === null
      ? measured(result, model, layout)
      : paragraph({ text: `Not measured: ${hindrance}.`, width: layout.width }),
    conclusion(result, model, layout),
  ].join("\n");
}

function titleOf({ region }: DemoResult): string {
  return `The memory of a GB200: a region of ${formatSize(region.size)}, mapped with each strategy`;
}

/** The demo as a picture: the addresses are those that the mappings had. */
export function demoPicture(result: DemoResult): Picture {
  const [first] = result.mappings;
  const drawings = first === undefined ? [] : [demoDrawing(result, pagingModels[first.layout.model])];
  return {
    title: titleOf(result),
    notes: ["Shared memory stands for the device; leaves, faults and page tables are those of a real one"],
    drawings,
  };
}

function demoDrawing(result: DemoResult, model: PagingModel): Drawing {
  const { mappings, region } = result;
  return drawRegion(
    { title: titleOf(result), notes: [], size: region.size, physical: 0n, gapName: "gap" },
    mappings.map(({ strategy, address, layout }) =>
      mappedStrip(
        { name: strategy, about: STRATEGY_IN_WORDS[strategy], mapped: true },
        region.areas.map(({ offset, size }) => ({ offset, size, address: address + BigInt(offset) })),
        layout,
      ),
    ),
    model,
  );
}

function introduction({ region: { index, size, areas } }: DemoResult, { width }: TextLayout): string {
  const mappable = areas.reduce((sum, area) => sum + area.size, 0);
  const text = `A device shaped like a GB200's: region ${index} of ${formatSize(size)}, of which one area can be mapped, ${roundedSize(mappable)} from 0 to 0x${mappable.toString(16)}. Each strategy mapped it for real, at the address shown; the leaves, faults and page tables beside it are what the memory of a real device gets at that address.`;
  return paragraph({ text, width });
}

function mappingsTable(mappings: readonly DemoMapping[], model: PagingModel, layout: TextLayout): string {
  const leaves = leafSizes(model);
  return tableText(
    [
      { title: "STRATEGY", align: "left" },
      { title: "VMA IN /proc/self/maps", align: "left", dispensable: 3 },
      { title: "PROMISED", align: "right", dispensable: 2 },
      { title: "REACHED", align: "right", dispensable: 2 },
      ...leaves.map((leaf): FittedColumn => ({
        title: `× ${formatSize(leaf)}`,
        align: "right",
        dispensable: 1,
      })),
      { title: "FAULTS", align: "right" },
      { title: "PAGE TABLES", align: "right" },
    ],
    mappings.map(({ strategy, vma, alignment, alignmentReached, layout: predicted }) => [
      strategy,
      vma.split(" ").slice(0, 2).join(" "),
      formatSize(alignment),
      formatSize(alignmentReached),
      ...leaves.map((leaf) => {
        const count = predicted.leaves.find(({ size }) => size === leaf)?.count;
        return count === undefined ? "-" : formatCount(count);
      }),
      formatCount(predicted.faults),
      roundedSize(predicted.pageTableBytes),
    ]),
    layout,
  );
}

function measured({ mappings, measuredBytes }: DemoResult, model: PagingModel, layout: TextLayout): string {
  const table = tableText(
    [
      { title: "STRATEGY", align: "left" },
      { title: "FAULTS PREDICTED", align: "right" },
      { title: "MEASURED", align: "right" },
      { title: "PAGE TABLES PREDICTED", align: "right", dispensable: 1 },
      { title: "MEASURED", align: "right" },
    ],
    mappings.flatMap(({ strategy, measurement }) =>
      measurement === null
        ? []
        : [
            [
              strategy,
              formatCount(measurement.faults.predicted),
              formatCount(measurement.faults.measured),
              roundedSize(measurement.pageTableBytes.predicted),
              roundedSize(measurement.pageTableBytes.measured),
            ],
          ],
    ),
    layout,
  );
  const { width } = layout;
  const what = `Measured on this machine: the first ${formatSize(measuredBytes)} of each mapping, given huge pages and written from end to end.`;
  const remark = `(Shared memory stands for the device here, and has no leaves larger than ${formatSize(model.pmdSize)}.)`;
  const counted = mappings.some(({ measurement }) => measurement?.measuredBy === "counters")
    ? " The process's own faults are among those measured: this kernel does not tell their addresses."
    : "";
  return `${paragraph({ text: `${what}${counted}`, width })}${paragraph({ text: remark, width })}\n${table}`;
}

/** What the best mapping saves against the worst, and who was lucky. */
function conclusion({ mappings, region }: DemoResult, model: PagingModel, { width }: TextLayout): string {
  const sorted = mappings.toSorted((a, b) => a.layout.faults - b.layout.faults);
  const best = sorted[0];
  const worst = sorted.at(-1);
  if (best === undefined || worst === undefined || best.layout.faults === worst.layout.faults) {
    return paragraph({ text: "No strategy did better than the others.", width });
  }
  const faults = formatCount(worst.layout.faults - best.layout.faults);
  const bytes = roundedSize(worst.layout.pageTableBytes - best.layout.pageTableBytes);
  const lucky = mappings.flatMap(({ strategy, alignment, layout }) => {
    const promised = planRegion(region, strategy, model).faults;
    if (promised <= layout.faults) return [];
    return [
      `The address that ${strategy} got is luck: ${formatSize(alignment)} is all it promises, and ${formatCount(promised)} faults.`,
    ];
  });
  const saved = `Against ${worst.strategy}, ${best.strategy} saves ${faults} page faults and ${bytes} of page tables.`;
  return [saved, ...lucky].map((text) => paragraph({ text, width })).join("");
}

export function demoJson({ mappings, region, kernel, hindrance }: DemoResult): object {
  const { size, areas } = region;
  const [first] = mappings;
  return {
    schemaVersion: 1,
    kernel,
    arch: first?.layout.model ?? null,
    region: { size, areas },
    strategies: mappings.map(
      ({ strategy, vma, address, alignment, alignmentReached, layout, measurement }) => ({
        strategy,
        vma,
        address: `0x${address.toString(16)}`,
        alignment,
        alignmentReached,
        leaves: layout.leaves,
        faults: layout.faults,
        pageTableBytes: layout.pageTableBytes,
        measurement,
      }),
    ),
    hindrance,
  };
}
