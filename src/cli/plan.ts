/** `hugebar plan`: what each strategy promises for a region of any shape. */

import { hugebarError } from "../errors.ts";
import { arrangeAreas, type Area } from "../layout/areas.ts";
import { modelFor, pagingModels, type PagingModel } from "../layout/paging.ts";
import { planRegion, type PlannedRegion, type StrategyPlan } from "../layout/plan.ts";
import { formatSize, isAligned, parseSize } from "../layout/sizes.ts";
import { strategies, type Strategy } from "../layout/strategies.ts";
import { drawRegion } from "../report/drawing.ts";
import { countOf, formatCount, formatLeaves, roundedSize } from "../report/numbers.ts";
import { renderTable } from "../report/table.ts";
import { renderTerminal } from "../report/terminal.ts";
import { writeResult, type Output } from "./output.ts";
import { parseArea } from "./values.ts";
import type { Arguments } from "./verbs.ts";

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
  writeResult(
    { json: () => planJson(result), text: (width, colour) => planText(result, width, colour) },
    options,
    output,
  );
}

/** The paging model of this machine. Only where one machine has several page sizes is the kernel asked for its own. */
async function machineModel(): Promise<PagingModel> {
  const pageSize = process.arch === "x64" ? 4096 : (await import("../memory/libc.ts")).linux.pageSize;
  const model = modelFor(process.arch, pageSize);
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
  const { model, region, plans, single } = result;
  const parts = [`${heading(result)}\n`, table(plans)];
  if (region.size > 0) {
    const strips = plans.map(({ strategy, faults, spans }) => ({
      name: strategy,
      numbers: countOf(faults, "fault"),
      spans,
    }));
    parts.push(renderTerminal(drawRegion(region.size, strips, model), { width, colour }));
  }
  if (single) parts.push(...plans.map(partsTable));
  return parts.join("\n");
}

function heading({ model, region }: PlanResult): string {
  const mappable = region.areas.reduce((sum, { size }) => sum + size, 0);
  const areas = `${roundedSize(mappable)} in ${countOf(region.areas.length, "area")}`;
  const physical =
    region.physical === undefined ? "" : `, at physical address 0x${region.physical.toString(16)}`;
  return `Region of ${formatSize(region.size)}${physical}; mappable: ${areas}; paging: ${model.name}`;
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
