/** The demo in words: one table of mappings, a picture, and what was measured. */

import { leafSizes, pagingModels, type PagingModel } from "../../layout/paging.ts";
import { planRegion } from "../../layout/plan.ts";
import { formatSize } from "../../layout/sizes.ts";
import { drawRegion, type Drawing, type Picture } from "../../report/picture/drawing.ts";
import { mappedStrip } from "../../report/picture/mapped-strip.ts";
import { formatCount, roundedSize } from "../../report/text/numbers.ts";
import { STRATEGY_IN_WORDS } from "../../report/picture/plan-strip.ts";
import { renderTable, type Column } from "../../report/text/table.ts";
import { renderTerminal } from "../../report/picture/terminal.ts";
import type { DemoMapping, DemoResult } from "./demo.ts";
import { MEASURED_PART } from "./demo-measurement.ts";
import { DEMO_REGION } from "./demo-region.ts";

export function demoText({ mappings, hindrance }: DemoResult, width: number, colour: boolean): string {
  const [first] = mappings;
  if (first === undefined) return "";
  const model = pagingModels[first.layout.model];
  return [
    introduction(),
    mappingsTable(mappings, model),
    renderTerminal(demoDrawing(mappings, model), { width, colour }),
    hindrance === null ? measured(mappings, model) : `Not measured: ${hindrance}.\n`,
    conclusion(mappings, model),
  ].join("\n");
}

const DEMO_TITLE = `The memory of a GB200: a region of ${formatSize(DEMO_REGION.size)}, mapped with each strategy`;

/** The demo as a picture: the addresses are those that the mappings had. */
export function demoPicture({ mappings }: DemoResult): Picture {
  const [first] = mappings;
  const drawings = first === undefined ? [] : [demoDrawing(mappings, pagingModels[first.layout.model])];
  return {
    title: DEMO_TITLE,
    notes: ["Shared memory stands for the device; leaves, faults and page tables are those of a real one"],
    drawings,
  };
}

function demoDrawing(mappings: readonly DemoMapping[], model: PagingModel): Drawing {
  const { areas } = DEMO_REGION;
  return drawRegion(
    { title: DEMO_TITLE, notes: [], size: DEMO_REGION.size, physical: 0n, gapName: "gap" },
    mappings.map(({ strategy, address, layout }) =>
      mappedStrip(
        { name: strategy, about: STRATEGY_IN_WORDS[strategy], mapped: true },
        areas.map(({ offset, size }) => ({ offset, size, address: address + BigInt(offset) })),
        layout,
      ),
    ),
    model,
  );
}

function introduction(): string {
  const { index, size, areas } = DEMO_REGION;
  const [area] = areas;
  return `A device shaped like a GB200's: region ${index} of ${formatSize(size)}, of which one area can be mapped, ${roundedSize(area.size)}
from 0 to 0x${area.size.toString(16)}. Each strategy mapped it for real, at the address shown; the leaves, faults
and page tables beside it are what the memory of a real device gets at that address.
`;
}

function mappingsTable(mappings: readonly DemoMapping[], model: PagingModel): string {
  const leaves = leafSizes(model);
  return renderTable(
    [
      { title: "STRATEGY", align: "left" },
      { title: "VMA IN /proc/self/maps", align: "left" },
      { title: "PROMISED", align: "right" },
      { title: "REACHED", align: "right" },
      ...leaves.map((leaf): Column => ({ title: `× ${formatSize(leaf)}`, align: "right" })),
      { title: "FAULTS", align: "right" },
      { title: "PAGE TABLES", align: "right" },
    ],
    mappings.map(({ strategy, vma, alignment, alignmentReached, layout }) => [
      strategy,
      vma.split(" ").slice(0, 2).join(" "),
      formatSize(alignment),
      formatSize(alignmentReached),
      ...leaves.map((leaf) => {
        const count = layout.leaves.find(({ size }) => size === leaf)?.count;
        return count === undefined ? "-" : formatCount(count);
      }),
      formatCount(layout.faults),
      roundedSize(layout.pageTableBytes),
    ]),
  );
}

function measured(mappings: readonly DemoMapping[], model: PagingModel): string {
  const table = renderTable(
    [
      { title: "STRATEGY", align: "left" },
      { title: "FAULTS PREDICTED", align: "right" },
      { title: "MEASURED", align: "right" },
      { title: "PAGE TABLES PREDICTED", align: "right" },
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
  );
  return `Measured on this machine: the first ${formatSize(MEASURED_PART.size)} of each mapping, given huge pages and written from end to end.
(Shared memory stands for the device here, and has no leaves larger than ${formatSize(model.pmdSize)}.)

${table}`;
}

/** What the best mapping saves against the worst, and who was lucky. */
function conclusion(mappings: readonly DemoMapping[], model: PagingModel): string {
  const sorted = mappings.toSorted((a, b) => a.layout.faults - b.layout.faults);
  const best = sorted[0];
  const worst = sorted.at(-1);
  if (best === undefined || worst === undefined || best.layout.faults === worst.layout.faults) {
    return "No strategy did better than the others.\n";
  }
  const faults = formatCount(worst.layout.faults - best.layout.faults);
  const bytes = roundedSize(worst.layout.pageTableBytes - best.layout.pageTableBytes);
  const lucky = mappings.flatMap(({ strategy, alignment, layout }) => {
    const promised = planRegion(DEMO_REGION, strategy, model).faults;
    if (promised <= layout.faults) return [];
    return [
      `The address that ${strategy} got is luck: ${formatSize(alignment)} is all it promises, and ${formatCount(promised)} faults.\n`,
    ];
  });
  return `Against ${worst.strategy}, ${best.strategy} saves ${faults} page faults and ${bytes} of page tables.\n${lucky.join("")}`;
}
