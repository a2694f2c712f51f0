/** `hugebar map`: maps a region of a device into this process and prints the mapping. */

import type { Device } from "../../device/device.ts";
import { physicalOrCongruent } from "../../device/mapping-layout.ts";
import type { Mapping } from "../../device/mapping.ts";
import type { Region } from "../../device/region.ts";
import type { Verification } from "../../device/verify.ts";
import { hugebarError } from "../../errors.ts";
import { pagingModels } from "../../layout/paging.ts";
import { planRegion } from "../../layout/plan.ts";
import { formatSize } from "../../layout/sizes.ts";
import type { Strategy } from "../../layout/strategies.ts";
import { openDevice } from "../../open.ts";
import { drawRegion, type Drawing, type Picture, type StripInput } from "../../report/picture/drawing.ts";
import { mappedStrip } from "../../report/picture/mapped-strip.ts";
import { formatCount, formatLeaves, roundedSize } from "../../report/text/numbers.ts";
import { planStrip } from "../../report/picture/plan-strip.ts";
import { renderTable } from "../../report/text/table.ts";
import { renderTerminal } from "../../report/picture/terminal.ts";
import { writeResult, type Output } from "../output.ts";
import { pictureFormats } from "../pictures.ts";
import { awaitInterruption } from "../signals.ts";
import { parseIndex } from "../values.ts";
import type { Arguments } from "../verbs.ts";

/** What there is to print. */
interface MapResult {
  readonly mapping: Mapping;
  readonly verification: Verification | null;
}

export async function run(args: Arguments<"map">, output: Output): Promise<number> {
  const { options, operands } = args;
  const { strategy = "region", gaps = "unmap" } = options;
  const index = parseIndex("--region", options.region);
  const device = openDevice(operands[0] ?? "", {
    enableMemory: options["enable-memory"],
    ...(options.api === undefined ? {} : { api: options.api }),
  });
  // From before the mapping can be seen: who sees it may send the signal at once.
  const interruption = options.hold ? awaitInterruption() : null;
  try {
    const mapping = presentRegion(device, index).map({ strategy, gaps });
    const result = { mapping, verification: options.verify ? mapping.verify() : null };
    await writeResult(
      {
        json: () => mapJson(result),
        text: (width, colour) => mapText(result, width, colour),
        ...pictureFormats(() => mapPicture(mapping)),
      },
      options,
      output,
    );
    if (interruption === null) return 0;
    output.message(`process ${process.pid} holds the mapping until a signal`);
    return await interruption.exitCode;
  } finally {
    interruption?.dispose();
    device.close();
  }
}

function presentRegion(device: Device, index: number): Region {
  const region = device.region(index);
  if (region.size > 0) return region;
  throw hugebarError("ERR_REGION_INDEX", {
    index,
    device: device.name,
    problem: "the device does not have it; its size is 0",
  });
}

function mapJson({ mapping, verification }: MapResult): unknown {
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
    leaves: layout.leaves,
    faults: layout.faults,
    pageTableBytes: layout.pageTableBytes,
    ...(verification === null ? {} : { verification }),
  };
}

function mapText(result: MapResult, width: number, colour: boolean): string {
  const { mapping, verification } = result;
  const parts = [`${heading(mapping)}\n`, areasTable(mapping), costTable(mapping)];
  parts.push(renderTerminal(drawMapping(mapping, [mappingStrip(mapping)]), { width, colour }));
  const remarks = remarksOn(mapping);
  if (remarks.length > 0) parts.push(remarks.map((line) => `${line}\n`).join(""));
  if (verification !== null) parts.push(verificationText(verification));
  return parts.join("\n");
}

function mappingStrip({ strategy, areas, layout }: Mapping): StripInput {
  return mappedStrip({ name: strategy, about: "as mapped here", mapped: true }, areas, layout);
}

function drawMapping(mapping: Mapping, strips: readonly StripInput[]): Drawing {
  const { region, layout } = mapping;
  return drawRegion(
    {
      title: `Region ${region.name}`,
      notes: [],
      size: region.size,
      physical: physicalOrCongruent(region),
      gapName: "gap",
    },
    strips,
    pagingModels[layout.model],
  );
}

/** The mapping, beside what another strategy promises: before it `none`, or behind it `region`. */
function mapPicture(mapping: Mapping): Picture {
  const { region, layout, areas, strategy } = mapping;
  const model = pagingModels[layout.model];
  const shape = { size: region.size, areas, physical: physicalOrCongruent(region) };
  const planned = (other: Strategy): StripInput => planStrip(planRegion(shape, other, model), shape, model);
  const mapped = mappingStrip(mapping);
  const isAligned = strategy === "region" || strategy === "physical";
  const strips = isAligned ? [planned("none"), mapped] : [mapped, planned("region")];
  const drawing = drawMapping(mapping, strips);
  return { title: drawing.title, notes: [heading(mapping), ...remarksOn(mapping)], drawings: [drawing] };
}

function heading({ region, strategy, alignment, base, areas }: Mapping): string {
  const what = `Region ${region.name}: ${formatSize(region.size)}`;
  if (areas.length === 0) return `${what}, nothing of it mapped; every access goes through the device's file`;
  return `${what}, mapped with strategy ${strategy} at ${hex(base)}, aligned to ${formatSize(alignment)}`;
}

function areasTable({ areas, gaps, gapMode }: Mapping): string {
  const rows = [
    ...areas.map(({ offset, size, address }) => ({ offset, size, where: hex(address) })),
    ...gaps.map(({ offset, size }) => ({
      offset,
      size,
      where: gapMode === "guard" ? "gap, guarded" : "gap",
    })),
  ].sort((a, b) => a.offset - b.offset);
  return renderTable(
    [
      { title: "OFFSET", align: "right" },
      { title: "SIZE", align: "right" },
      { title: "ADDRESS", align: "left" },
    ],
    rows.map(({ offset, size, where }) => [hex(offset), formatSize(size), where]),
  );
}

function costTable({ layout }: Mapping): string {
  return renderTable(
    [
      { title: "LEAVES", align: "left" },
      { title: "FAULTS", align: "right" },
      { title: "PAGE TABLES", align: "right" },
    ],
    [[formatLeaves(layout.leaves), formatCount(layout.faults), roundedSize(layout.pageTableBytes)]],
  );
}

/** What to know about the prediction. */
function remarksOn({ region, layout, areas, canShrink }: Mapping): string[] {
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
  if (layout.gate === "closed") {
    remarks.push("This machine's setting of transparent huge pages rules huge leaves out for device memory.");
  }
  if (layout.gate === "absent") remarks.push("This kernel has no huge leaves for device memory.");
  if (layout.doubts.includes("thp-gate")) {
    remarks.push("Whether this kernel's setting of transparent huge pages stops huge leaves is not known.");
  }
  if (layout.doubts.includes("physical-unknown")) {
    remarks.push("The physical address is not known: taken as congruent with the virtual one.");
  }
  return remarks;
}

function verificationText({
  leaves,
  bytes,
  faults,
  pageTableBytes,
  verdict,
  hindrance,
}: Verification): string {
  const table = renderTable(
    [
      { title: `VERIFIED ON ${roundedSize(bytes)}`, align: "left" },
      { title: "PREDICTED", align: "right" },
      { title: "MEASURED", align: "right" },
    ],
    [
      ["faults", formatCount(faults.predicted), formatCount(faults.measured)],
      ["page tables", roundedSize(pageTableBytes.predicted), roundedSize(pageTableBytes.measured)],
    ],
  );
  const because = hindrance === null ? "" : ` (no huge leaves here: ${hindrance})`;
  return `${table}\nThe measurement ${VERDICTS[verdict]} ${formatLeaves(leaves)}${because}.\n`;
}

const VERDICTS = {
  agrees: "agrees with",
  differs: "differs from",
  inconclusive: "can neither confirm nor refute",
} as const;

function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
