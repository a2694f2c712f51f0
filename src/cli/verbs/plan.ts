/** `hugebar plan`: what each strategy promises for a region of any shape. */

import { hugebarError } from "../../errors.ts";
import { arrangeAreas, type Area } from "../../layout/areas.ts";
import { kernelArch, modelFor, pagingModels, type PagingModel } from "../../layout/paging.ts";
import type { LeafSpan } from "../../layout/leaves.ts";
import { planRegion, type PlannedRegion, type StrategyPlan } from "../../layout/plan.ts";
import { formatSize, isAligned, parseSize } from "../../layout/sizes.ts";
import { strategies, type Strategy } from "../../layout/strategies.ts";
import { drawRegion, type Drawing, type Picture } from "../../report/picture/drawing.ts";
import { countOf, formatCount, formatLeaves, roundedSize } from "../../report/text/numbers.ts";
import { guestStrip, planStrip } from "../../report/picture/plan-strip.ts";
import { renderTable } from "../../report/text/table.ts";
import { renderTerminal } from "../../report/picture/terminal.ts";
import { planSecondStage, type GuestView, type SecondStagePlan } from "../../rules/second-stage-plan.ts";
import { writeResult, type Output } from "../output.ts";
import { pictureFormats } from "../pictures.ts";
import { parseArea } from "../values.ts";
import type { Arguments } from "../verbs.ts";

type PlanOptions = Arguments<"plan">["options"];

/** A strategy's plan, and what a guest gets of it; null where nobody asked. */
interface Planned extends StrategyPlan {
  readonly guest: SecondStagePlan | null;
}

/** What there is to print. */
interface PlanResult {
  readonly model: PagingModel;
  readonly region: PlannedRegion;
  readonly view: GuestView | null;
  readonly plans: readonly Planned[];
  /** One strategy was asked for: its parts are listed. */
  readonly single: boolean;
}

export async function run({ options }: Arguments<"plan">, output: Output): Promise<void> {
  const model = options.arch === undefined ? await machineModel() : pagingModels[options.arch];
  const region = readRegion(options, model);
  const view = readView(options, model);
  const plans: Planned[] = [];
  for (const strategy of chosen(options)) {
    const guest = view === null ? null : planSecondStage(region, strategy, view, model);
    plans.push({ ...planRegion(region, strategy, model), guest });
  }
  const result = { model, region, view, plans, single: options.strategy !== undefined };
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
  return { size, areas, physical: parseAddress("--physical", options.physical, model) };
}

/** How a guest sees the region; null without `--guest-address`. */
function readView(options: PlanOptions, model: PagingModel): GuestView | null {
  const { "guest-address": address, hole } = options;
  if (address === undefined) {
    if (hole.length === 0) return null;
    throw hugebarError("ERR_USAGE", { problem: "--hole needs --guest-address ADDRESS" });
  }
  if (model.name !== "x86-64" && !model.name.startsWith("arm64")) {
    throw hugebarError("ERR_NOT_SUPPORTED", {
      action: `plan a guest on ${model.name}`,
      problem: "KVM's rule is known for x86-64 and arm64 only: leave --guest-address out",
    });
  }
  return {
    guestAddress: parseAddress("--guest-address", address, model),
    holes: hole.map((text) => parseArea("--hole", text)),
  };
}

function parseAddress(option: string, text: string, model: PagingModel): bigint {
  const address = parseSize(text, option);
  if (isAligned(address, model.pageSize)) return BigInt(address);
  throw hugebarError("ERR_ARGUMENT", {
    what: `${option} ${text}`,
    problem: `it is not a multiple of the page size (${formatSize(model.pageSize)})`,
  });
}

function chosen({ strategy, physical }: PlanOptions): readonly Strategy[] {
  if (strategy === "physical" && physical === undefined) {
    throw hugebarError("ERR_USAGE", { problem: "--strategy physical needs --physical ADDRESS" });
  }
  if (strategy !== undefined) return [strategy];
  return strategies.filter((name) => name !== "physical" || physical !== undefined);
}

function planJson({ model, region, view, plans }: PlanResult): unknown {
  return {
    schemaVersion: 1,
    arch: model.name,
    region: {
      size: region.size,
      areas: region.areas,
      guestAddress: view === null ? null : `0x${view.guestAddress.toString(16)}`,
      holes: view?.holes ?? [],
    },
    strategies: plans.map(({ strategy, alignment, leaves, faults, pageTableBytes, guest }) => ({
      strategy,
      alignment,
      leaves,
      faults,
      pageTableBytes,
      guest: guest === null ? null : { leaves: guest.leaves, pageTableBytes: guest.pageTableBytes },
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

function planDrawing({ model, region, view, plans }: PlanResult): Drawing {
  return drawRegion(
    {
      title: `Region of ${formatSize(region.size)}`,
      notes: [],
      size: region.size,
      // Without it, the plan takes the region to start at a multiple of its size, as BARs do.
      physical: region.physical ?? 0n,
      gapName: "gap",
    },
    plans.flatMap((plan) => {
      const strip = planStrip(plan, region, model);
      if (plan.guest === null || view === null) return [strip];
      return [strip, guestStrip(plan.strategy, plan.guest, view)];
    }),
    model,
  );
}

function planPicture(result: PlanResult): Picture {
  const drawing = planDrawing(result);
  return { title: drawing.title, notes: notesOn(result), drawings: [drawing] };
}

function heading({ model, region, view }: PlanResult): string {
  const physical =
    region.physical === undefined ? "" : `, at physical address 0x${region.physical.toString(16)}`;
  const guest = view === null ? "" : `, in the guest at 0x${view.guestAddress.toString(16)}`;
  return `Region of ${formatSize(region.size)}${physical}${guest}; mappable: ${mappable(region)}; paging: ${model.name}`;
}

function notesOn({ model, region, view }: PlanResult): string[] {
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

function mappable({ areas }: PlannedRegion): string {
  const bytes = areas.reduce((sum, { size }) => sum + size, 0);
  return `${roundedSize(bytes)} in ${countOf(areas.length, "area")}`;
}

function table(plans: readonly Planned[]): string {
  const hasGuest = plans.some(({ guest }) => guest !== null);
  return renderTable(
    [
      { title: "STRATEGY", align: "left" },
      { title: "ALIGNMENT", align: "right" },
      { title: "LEAVES", align: "left" },
      { title: "FAULTS", align: "right" },
      { title: "PAGE TABLES", align: "right" },
      ...(hasGuest
        ? ([
            { title: "GUEST'S LEAVES", align: "left" },
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
  );
}

function partsTable({ spans, guest }: Planned): string {
  const host = spansTable(spans);
  return guest === null ? host : `${host}\nIn the guest:\n\n${spansTable(guest.spans)}`;
}

function spansTable(spans: readonly LeafSpan[]): string {
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
