/** One mapping of a region: as text, JSON and picture. */

import {
  isModelled,
  physicalOrCongruent,
  type MappingLayout,
  type ModelledLayout,
} from "../device/leaves/mapping-layout.ts";
import type { Mapping } from "../device/region/mapping.ts";
import type { Verification } from "../device/leaves/verify.ts";
import { hugebarError } from "../errors.ts";
import { pagingModels } from "../layout/paging.ts";
import { planRegion } from "../layout/plan.ts";
import { formatSize } from "../layout/sizes.ts";
import type { Strategy } from "../layout/strategies.ts";
import { drawRegion, type Drawing, type StripInput } from "./picture/drawing/drawing.ts";
import type { Picture } from "./picture/drawing/picture.ts";
import { mappedStrip } from "./picture/drawing/mapped-strip.ts";
import { planStrip } from "./picture/drawing/plan-strip.ts";
import { renderTerminal } from "./picture/media/terminal.ts";
import { tableText } from "./text/fitted-table.ts";
import { formatCount, formatLeaves, roundedSize } from "./text/numbers.ts";
import type { TextLayout } from "./text/text-layout.ts";
import { paragraph } from "./text/wrapped.ts";

/** What there is to print. */
export interface MapResult {
  readonly mapping: Mapping;
  readonly verification: Verification | null;
}

export function mapJson({ mapping, verification }: MapResult): object {
  const { region, layout } = mapping;
  return {
    schemaVersion: 1,
    device: region.deviceName,
    region: { index: region.index, size: region.size, fdOffset: region.fdOffset },
    strategy: mapping.strategy,
    alignment: mapping.alignment,
    base: hex(mapping.base),
    mappings: mapping.areas.map(({ offset, size, address }) => ({ offset, size, address: hex(address) })),
    gaps: mapping.gaps,
    advised: mapping.advised,
    ...figuresJson(layout),
    evidence: layout.evidence,
    doubts: layout.doubts,
    ...(verification === null ? {} : { verification }),
  };
}

/** Nothing unknown is a number: then the best and the worst there may be stand beside it. */
function figuresJson({ leaves, faults, pageTableBytes, worst }: MappingLayout): object {
  const best = { leaves, faults, pageTableBytes };
  if (worst === null) return { ...best, between: null };
  return { leaves: null, faults: null, pageTableBytes: null, between: [best, worst] };
}

export function mapText(result: MapResult, layout: TextLayout): string {
  const { mapping, verification } = result;
  const { width } = layout;
  const parts = [
    paragraph({ text: heading(mapping), width }),
    areasTable(mapping, layout),
    costTable(mapping, layout),
  ];
  const leaves = mapping.layout;
  if (isModelled(leaves)) {
    parts.push(renderTerminal(drawMapping(mapping, leaves, [mappingStrip(mapping, leaves)]), layout));
  }
  const remarks = remarksOn(mapping);
  if (remarks.length > 0)
    parts.push(remarks.map((text) => paragraph({ text, width, indent: "  " })).join(""));
  if (verification !== null) parts.push(verificationText(verification, layout));
  return parts.join("\n");
}

function mappingStrip({ strategy, areas }: Mapping, layout: ModelledLayout): StripInput {
  return mappedStrip({ name: strategy, about: "as mapped here", mapped: true }, areas, layout);
}

function drawMapping({ region }: Mapping, { model }: ModelledLayout, strips: readonly StripInput[]): Drawing {
  return drawRegion(
    {
      title: `Region ${region.name}`,
      notes: [],
      size: region.size,
      physical: physicalOrCongruent(region),
      gapName: "gap",
    },
    strips,
    pagingModels[model],
  );
}

/**
 * The mapping, beside what another strategy promises: before it `none`, or behind it `region`.
 *
 * @throws ERR_NOT_SUPPORTED on an architecture whose page tables are not known
 */
export function mapPicture(mapping: Mapping): Picture {
  const { region, layout, areas, strategy } = mapping;
  if (!isModelled(layout)) {
    throw hugebarError("ERR_NOT_SUPPORTED", {
      action: `draw the mapping of region ${region.name}`,
      problem: "this machine's page tables are not known",
    });
  }
  const model = pagingModels[layout.model];
  const shape = { size: region.size, areas, physical: physicalOrCongruent(region) };
  const planned = (other: Strategy): StripInput => planStrip(planRegion(shape, other, model), shape, model);
  const mapped = mappingStrip(mapping, layout);
  const isAligned = strategy === "region" || strategy === "physical";
  const strips = isAligned ? [planned("none"), mapped] : [mapped, planned("region")];
  const drawing = drawMapping(mapping, layout, strips);
  return { title: drawing.title, notes: [heading(mapping), ...remarksOn(mapping)], drawings: [drawing] };
}

function heading({ region, strategy, alignment, base, areas }: Mapping): string {
  const what = `Region ${region.name}: ${formatSize(region.size)}`;
  if (areas.length === 0) return `${what}, nothing of it mapped; every access goes through the device's file`;
  return `${what}, mapped with strategy ${strategy} at ${hex(base)}, aligned to ${formatSize(alignment)}`;
}

function areasTable({ areas, gaps, gapMode }: Mapping, layout: TextLayout): string {
  const rows = [
    ...areas.map(({ offset, size, address }) => ({ offset, size, where: hex(address) })),
    ...gaps.map(({ offset, size }) => ({
      offset,
      size,
      where: gapMode === "guard" ? "gap, guarded" : "gap",
    })),
  ].sort((a, b) => a.offset - b.offset);
  return tableText(
    [
      { title: "OFFSET", align: "right" },
      { title: "SIZE", align: "right" },
      { title: "ADDRESS", align: "left" },
    ],
    rows.map(({ offset, size, where }) => [hex(offset), formatSize(size), where]),
    layout,
  );
}

function costTable({ layout: predicted }: Mapping, layout: TextLayout): string {
  return tableText(
    [
      { title: "LEAVES", align: "left", shrinksTo: 10 },
      { title: "FAULTS", align: "right" },
      { title: "PAGE TABLES", align: "right" },
    ],
    (predicted.worst === null ? [predicted] : [predicted, predicted.worst]).map(
      ({ leaves, faults, pageTableBytes }, index) => [
        `${index === 0 ? "" : "or "}${formatLeaves(leaves)}`,
        formatCount(faults),
        pageTableBytes === null ? "?" : roundedSize(pageTableBytes),
      ],
    ),
    layout,
  );
}

/** What to know about the prediction. */
function remarksOn({ region, layout, areas, canShrink, guarded }: Mapping): string[] {
  if (areas.length === 0) return [];
  const remarks: string[] = [];
  if (region.backing === "shared-memory") {
    remarks.push(
      "Shared memory stands for the device here: leaves, faults and page tables are those of a real BAR.",
    );
  }
  if (canShrink) {
    remarks.push(
      "The server can cut off the file behind the region: touching what is gone ends the process.",
    );
  }
  if (guarded) {
    remarks.push(
      "This kernel would lay huge leaves over wrong memory here, so they were forbidden for this mapping: take strategy region, or Linux 6.12.29, 6.15 or newer.",
    );
  } else if (layout.gate === "closed") {
    remarks.push(
      "The setting of transparent huge pages, or what this process turned off, rules huge leaves out for device memory here.",
    );
  }
  if (layout.gate === "absent") remarks.push("This kernel has no huge leaves for device memory.");
  if (layout.doubts.includes("thp-gate")) {
    remarks.push("Whether this kernel gives this memory huge leaves is not known.");
  }
  if (layout.doubts.includes("physical-unknown")) {
    remarks.push("The physical address is not known: taken as congruent with the virtual one.");
  }
  if (layout.doubts.includes("touch-order")) {
    remarks.push(
      "This kernel gives a block its huge leaf only if its first page is touched first, or may: what there is hangs on the order of touches. Linux 6.12.29, 6.14.7, 6.15 and newer do not.",
    );
  }
  if (layout.doubts.includes("wrong-memory")) {
    remarks.push(
      "This kernel lays huge leaves over a misaligned mapping that show wrong memory, or may: take strategy region, or Linux 6.12.10, 6.13 or newer.",
    );
  }
  return remarks;
}

function verificationText(
  { leaves, bytes, faults, pageTableBytes, verdict, hindrance, whyCounters }: Verification,
  layout: TextLayout,
): string {
  const table = tableText(
    [
      { title: `VERIFIED ON ${roundedSize(bytes)}`, align: "left" },
      { title: "PREDICTED", align: "right" },
      { title: "MEASURED", align: "right" },
    ],
    [
      ["faults", formatCount(faults.predicted), formatCount(faults.measured)],
      ["page tables", roundedSize(pageTableBytes.predicted), roundedSize(pageTableBytes.measured)],
    ],
    layout,
  );
  const because = hindrance === null ? "" : ` (no huge leaves here: ${hindrance})`;
  const by =
    whyCounters === null
      ? "Measured leaf by leaf, by the addresses of the faults."
      : `Measured by the process's counters, since the kernel does not tell the addresses of faults (${whyCounters}).`;
  const what = leaves.length === 0 ? "anything: nothing was touched" : formatLeaves(leaves);
  const text = `The measurement ${VERDICTS[verdict]} ${what}${because}. ${by}`;
  return `${table}\n${paragraph({ text, width: layout.width })}`;
}

const VERDICTS = {
  agrees: "agrees with",
  differs: "differs from",
  inconclusive: "can neither confirm nor refute",
} as const;

function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
