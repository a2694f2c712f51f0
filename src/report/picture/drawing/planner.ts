/** The planner: what is typed becomes a drawing, or a sentence beside the field that cannot be used. It runs in the browser. */

import { hugebarError, HugebarError } from "../../../errors.ts";
import { parseArea } from "../../../layout/area-text.ts";
import { arrangeAreas, type Area } from "../../../layout/areas.ts";
import { pagingModels, type PagingModel } from "../../../layout/paging.ts";
import { planRegion } from "../../../layout/plan.ts";
import { parseSize } from "../../../layout/sizes.ts";
import { strategies } from "../../../layout/strategies.ts";
import { parseAddress, requireSecondStage } from "../../../rules/plan-input.ts";
import { planSecondStage, type GuestView } from "../../../rules/second-stage-plan.ts";
import { printable } from "../../text/printable.ts";
import type { Drawing } from "./drawing.ts";
import { planDrawing } from "./plan-picture.ts";

/** What is typed, by field; areas and holes are separated by blanks, commas or line feeds. */
export type PlanInput = Readonly<Record<PlanField, string>>;

export const PLAN_FIELDS = ["size", "areas", "arch", "physical", "guest", "holes"] as const;
export type PlanField = (typeof PLAN_FIELDS)[number];

/** Characters of a long message that are kept of its beginning and of its end. */
const KEPT = 140;

export interface PlannerAnswer {
  /** Null where something cannot be used, or no size is there. */
  readonly drawing: Drawing | null;
  /** Why what is typed into a field cannot be used. */
  readonly problems: ReadonlyMap<PlanField, string>;
  /** The same for a terminal; null where there is no drawing. */
  readonly command: string | null;
}

export function planInput(input: PlanInput): PlannerAnswer {
  const problems = new Map<PlanField, string>();
  /** Null for what cannot be used, which is noted. */
  const reading = <Value>(field: PlanField, read: (text: string) => Value): Value | null => {
    try {
      return read(input[field].trim());
    } catch (error) {
      if (!(error instanceof HugebarError)) throw error;
      problems.set(field, inFewWords(printable(error.message)));
      return null;
    }
  };
  const model = reading("arch", modelOf);
  if (model === null) return { drawing: null, problems, command: null };
  const size = reading("size", (text) => (text === "" ? null : parseSize(text, "the size")));
  const areas = reading("areas", (text) => {
    const listed = areasIn(text, "area");
    if (size === null) return listed;
    return arrangeAreas(size, listed.length === 0 ? [{ offset: 0, size }] : listed, model.pageSize);
  });
  const physical = reading("physical", (text) =>
    text === "" ? undefined : parseAddress("the physical address", text, model),
  );
  const guestAddress = reading("guest", (text) => {
    if (text === "") return undefined;
    requireSecondStage(model, "the guest's address");
    return parseAddress("the guest's address", text, model);
  });
  const holes = reading("holes", (text) => {
    const listed = areasIn(text, "hole");
    if (listed.length > 0 && input.guest.trim() === "") {
      throw hugebarError("ERR_USAGE", { problem: "Holes need the guest's address" });
    }
    return listed;
  });
  const isWhole = size !== null && areas !== null && holes !== null && problems.size === 0;
  if (!isWhole) return { drawing: null, problems, command: null };
  const region = { size, areas, ...(typeof physical === "bigint" ? { physical } : {}) };
  const view: GuestView | null = typeof guestAddress === "bigint" ? { guestAddress, holes } : null;
  const plans = strategies
    .filter((strategy) => strategy !== "physical" || typeof physical === "bigint")
    .map((strategy) => {
      const guest = view === null ? null : planSecondStage(region, strategy, view, model);
      return Object.assign(planRegion(region, strategy, model), { guest });
    });
  return { drawing: planDrawing({ model, region, view, plans }), problems, command: commandOf(input) };
}

/** A page is no place for all that was pasted; the end of a message says what is wrong. */
function inFewWords(message: string): string {
  return message.length <= 2 * KEPT ? message : `${message.slice(0, KEPT)}…${message.slice(-KEPT)}`;
}

function modelOf(name: string): PagingModel {
  const model = Object.values(pagingModels).find((each) => each.name === name);
  if (model !== undefined) return model;
  const known = Object.keys(pagingModels).join(", ");
  throw hugebarError("ERR_ARGUMENT", {
    what: `the architecture "${name}"`,
    problem: `it is one of ${known}`,
  });
}

/** As they were typed, one by one. */
function partsOf(text: string): string[] {
  return text.split(/[\s,]+/).filter((part) => part !== "");
}

function areasIn(text: string, what: string): Area[] {
  return partsOf(text).map((part, index) => parseArea(`${what} ${index}`, part));
}

/** What the tool would be called with. Nothing in it needs quotes: all of it has been read as numbers. */
function commandOf(input: PlanInput): string {
  const one = (option: string, text: string): string[] =>
    text.trim() === "" ? [] : [`--${option} ${text.trim().replaceAll(/\s/g, "")}`];
  return [
    "hugebar plan",
    ...one("size", input.size),
    ...partsOf(input.areas).flatMap((part) => one("area", part)),
    ...one("arch", input.arch),
    ...one("physical", input.physical),
    ...one("guest-address", input.guest),
    ...partsOf(input.holes).flatMap((part) => one("hole", part)),
  ].join(" ");
}
