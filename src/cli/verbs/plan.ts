/** `hugebar plan`: what each strategy promises for a region of any shape. */

import { release } from "node:os";
import { hugebarError } from "../../errors.ts";
import { areaText, parseArea } from "../../layout/area-text.ts";
import { arrangeAreas, type Area } from "../../layout/areas.ts";
import { kernelArch, modelFor, pagingModels, type PagingModel } from "../../layout/paging.ts";
import { planRegion, type PlannedRegion } from "../../layout/plan.ts";
import { parseSize } from "../../layout/sizes.ts";
import { strategies, type Strategy } from "../../layout/strategies.ts";
import { planCost } from "../../report/plan-cost.ts";
import { planJson, planPicture, planText, type PlanResult } from "../../report/plan-report.ts";
import { parseAddress, requireSecondStage } from "../../rules/plan-input.ts";
import { planSecondStage, type GuestView } from "../../rules/second-stage-plan.ts";
import { writeResult, writeText, type Output } from "../output.ts";
import { pictureFormats } from "../pictures.ts";
import { usageError } from "../usage.ts";
import { readAreas } from "../values.ts";
import type { Arguments } from "../verbs.ts";

type PlanOptions = Arguments<"plan">["options"];

export async function run({ options }: Arguments<"plan">, output: Output): Promise<void> {
  const { size } = options;
  if (size === undefined) return writePlanner(options, output);
  const model = options.arch === undefined ? await machineModel() : pagingModels[options.arch];
  const region = readRegion(size, options, model);
  const view = readView(options, model);
  const kernel = options.cost ? (options.kernel ?? release()) : null;
  if (options.kernel !== undefined && kernel === null) {
    throw hugebarError("ERR_USAGE", { problem: "--kernel needs --cost" });
  }
  const plans: PlanResult["plans"][number][] = [];
  for (const strategy of chosen(options)) {
    const guest = view === null ? null : planSecondStage(region, strategy, view, model);
    const plan = planRegion(region, strategy, model);
    const cost = kernel === null ? null : planCost(plan, guest, region, view, kernel, model);
    plans.push({ ...plan, guest, cost });
  }
  const result = { model, region, view, kernel, plans, single: options.strategy !== undefined };
  await writeResult(
    {
      json: () => planJson(result),
      text: (layout) => planText(result, layout),
      ...pictureFormats(() => planPicture(result)),
    },
    options,
    output,
  );
}

/** Without a size an HTML page is one to plan on, filled in with what else is given. */
async function writePlanner(options: PlanOptions, output: Output): Promise<void> {
  if (options.json || options.output?.endsWith(".html") !== true) {
    throw usageError(
      "--size SIZE is missing: see hugebar plan --help; without it, -o FILE.html makes a page to plan on",
    );
  }
  if (options.strategy !== undefined || options.cost || options.kernel !== undefined) {
    throw usageError("--strategy, --cost and --kernel need --size SIZE: the page compares all strategies");
  }
  const areas = options.areas === undefined ? [] : readAreas(options.areas).map(areaText);
  const { renderPlanner } = await import("../../report/page/planner-page.ts");
  const page = renderPlanner({
    size: "",
    areas: areas.concat(options.area).join("\n"),
    arch: options.arch ?? (await machineModel()).name,
    physical: options.physical ?? "",
    guest: options["guest-address"] ?? "",
    holes: options.hole.join("\n"),
  });
  writeText(page, options.output, output);
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

function readRegion(sizeText: string, options: PlanOptions, model: PagingModel): PlannedRegion {
  const size = parseSize(sizeText, "--size");
  const listed = options.areas === undefined ? [] : readAreas(options.areas);
  const given: readonly Area[] = listed.concat(options.area.map((text) => parseArea("--area", text)));
  // A file without areas is not a whole region: nothing of it can be mapped then.
  const isWhole = given.length === 0 && options.areas === undefined;
  const areas = arrangeAreas(size, isWhole ? [{ offset: 0, size }] : given, model.pageSize);
  if (options.physical === undefined) return { size, areas };
  return { size, areas, physical: parseAddress("--physical", options.physical, model) };
}

/** How a guest sees the region; null without `--guest-address`. */
function readView(options: PlanOptions, model: PagingModel): GuestView | null {
  const { "guest-address": address, hole } = options;
  if (address === undefined) {
    if (hole.length === 0) return null;
    throw hugebarError("ERR_USAGE", { problem: "--hole needs --guest-address ADDRESS" });
  }
  requireSecondStage(model, "--guest-address");
  return {
    guestAddress: parseAddress("--guest-address", address, model),
    holes: hole.map((text) => parseArea("--hole", text)),
  };
}

function chosen({ strategy, physical }: PlanOptions): readonly Strategy[] {
  if (strategy === "physical" && physical === undefined) {
    throw hugebarError("ERR_USAGE", { problem: "--strategy physical needs --physical ADDRESS" });
  }
  if (strategy !== undefined) return [strategy];
  return strategies.filter((name) => name !== "physical" || physical !== undefined);
}
