/** `hugebar plan`: what each strategy promises for a region of any shape. */

import { hugebarError } from "../../errors.ts";
import { arrangeAreas, type Area } from "../../layout/areas.ts";
import { kernelArch, modelFor, pagingModels, type PagingModel } from "../../layout/paging.ts";
import { planRegion, type PlannedRegion, type StrategyPlan } from "../../layout/plan.ts";
import { formatSize, isAligned, parseSize } from "../../layout/sizes.ts";
import { strategies, type Strategy } from "../../layout/strategies.ts";
import { drawRegion, type Drawing, type Picture } from "../../report/picture/drawing.ts";
import { countOf, formatCount, formatLeaves, roundedSize } from "../../report/text/numbers.ts";
import { planStrip } from "../../report/picture/plan-strip.ts";
import { renderTable } from "../../report/text/table.ts";
import { renderTerminal } from "../../report/picture/terminal.ts";
import { writeResult, type Output } from "../output.ts";
import { pictureFormats } from "../pictures.ts";
import { parseArea } from "../values.ts";
import type { Arguments } from "../verbs.ts";

type PlanOptions = Arguments<"plan">["options"];

/** What there is to print. */
interface PlanResult {
  readonly model: PagingModel;
  readonly region: PlannedRegion;
  readonly plans: readonly StrategyPlan[];
  /** One strategy was asked for: its parts are listed. */
  readonly single: boolean;
}

export async function run({ options }: Arguments<"plan">, output: Output): Promise<void> {
  const model = options.arch === undefined ? await machineModel() : pagingModels[options.arch];
  const region = readRegion(options, model);
  const plans = chosen(options).map((strategy) => planRegion(region, strategy, model));
  const result = { model, region, plans, single: options.strategy !== undefined };
  await writeResult(
    {
      json: () => planJson(result),
      text: (width, colour) => planText(result, width, colour),
      ...pictureFormats(() => planPicture(result)),
    },
    options,
    output,
  );
}

/** The paging model of this machine. Only where one machine has several page sizes is the kernel asked for its own. */
async function machineModel(): Promise<PagingModel> {
  const pageSize = process.arch === "x64" ? 4096 : (await import("../../system/libc.ts")).linux.pageSize;
  const model = modelFor(kernelArch(process.arch), pageSize);
  if (model !== null) return model;
  throw hugebarError("ERR_NOT_SUPPORTED", {
    action: "plan for this machine",
    problem: `the paging of ${process.arch} is not known; choose one with --arch`,
  });
}

function readRegion(options: PlanOptions, model: PagingModel): PlannedRegion {
  const size = parseSize(options.size, "--size");
  const given: readonly Area[] =
    options.area.length === 0 ? [{ offset: 0, size }] : options.area.map((text) => parseArea("--area", text));
  const areas = arrangeAreas(size, given, model.pageSize);
  if (options.physical === undefined) return { size, areas };
  const physical = parseSize(options.physical, "--physical");
  if (!isAligned(physical, model.pageSize)) {
    throw hugebarError("ERR_ARGUMENT", {
      what: `--physical ${options.physical}`,
      problem: `it is not a multiple of the page size (${formatSize(model.pageSize)})`,
    });
  }
  return { size, areas, physical: BigInt(physical) };
}

function chosen({ strategy, physical }: PlanOptions): readonly Strategy[] {
  if (strategy === "physical" && physical === undefined) {
    throw hugebarError("ERR_USAGE", { problem: "--strategy physical needs --physical ADDRESS" });
  }
  if (strategy !== undefined) return [strategy];
  return strategies.filter((name) => name !== "physical" || physical !== undefined);
}

function planJson({ model, region, plans }: PlanResult): unknown {
  return {
    schemaVersion: 1,
    arch: model.name,
    region: { size: region.size, areas: region.areas },
    strategies: plans.map(({ strategy, alignment, leaves, faults, pageTableBytes }) => ({
      strategy,
      alignment,
      leaves,
      faults,
      pageTableBytes,
    })),
  };
}

function planText(result: PlanResult, width: number, colour: boolean): string {
  const { region, plans, single } = result;
  const parts = [`${heading(result)}\n`, table(plans)];
  if (region.size > 0) {
    parts.push(renderTerminal(planDrawing(result), { width, colour }));
  }
  if (single) parts.push(...plans.map(partsTable));
  return parts.join("\n");
}

function planDrawing({ model, region, plans }: PlanResult): Drawing {
  return drawRegion(
    {
      title: `Region of ${formatSize(region.size)}`,
      notes: [],
      size: region.size,
      // Without it, the plan takes the region to start at a multiple of its size, as BARs do.
      physical: region.physical ?? 0n,
      gapName: "gap",
    },
    plans.map((plan) => planStrip(plan, region, model)),
    model,
  );
}

function planPicture(result: PlanResult): Picture {
  const drawing = planDrawing(result);
  return { title: drawing.title, notes: notesOn(result), drawings: [drawing] };
}

function heading({ model, region }: PlanResult): string {
  const physical =
    region.physical === undefined ? "" : `, at physical address 0x${region.physical.toString(16)}`;
  return `Region of ${formatSize(region.size)}${physical}; mappable: ${mappable(region)}; paging: ${model.name}`;
}

function notesOn({ model, region }: PlanResult): string[] {
  const physical =
    region.physical === undefined
      ? "taken to start at a multiple of its size, as BARs do"
      : `at physical address 0x${region.physical.toString(16)}`;
  return [
    `Mappable: ${mappable(region)}; ${physical}; paging: ${model.name}, pages of ${formatSize(model.pageSize)}`,
    "What each strategy promises: leaves that chance alone would bring do not count",
  ];
}

function mappable({ areas }: PlannedRegion): string {
  const bytes = areas.reduce((sum, { size }) => sum + size, 0);
  return `${roundedSize(bytes)} in ${countOf(areas.length, "area")}`;
}

function table(plans: readonly StrategyPlan[]): string {
  return renderTable(
    [
      { title: "STRATEGY", align: "left" },
      { title: "ALIGNMENT", align: "right" },
      { title: "LEAVES", align: "left" },
      { title: "FAULTS", align: "right" },
      { title: "PAGE TABLES", align: "right" },
    ],
    plans.map(({ strategy, alignment, leaves, faults, pageTableBytes }) => [
      strategy,
      formatSize(alignment),
      formatLeaves(leaves),
      formatCount(faults),
      roundedSize(pageTableBytes),
    ]),
  );
}

function partsTable({ spans }: StrategyPlan): string {
  return renderTable(
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
  );
}

function hex(offset: number): string {
  return `0x${offset.toString(16)}`;
}
