/** Compares the leaves that a region's mappings get with the best there could be. */

import {
  countLeaves,
  faultsOf,
  leafSpans,
  leavesMisfit,
  type LeafCount,
  type LeafSpan,
} from "../../layout/leaves.ts";
import { pageTableBytes } from "../../layout/page-tables.ts";
import type { PagingModel } from "../../layout/paging.ts";
import type { FaultHandler } from "../../rules/handler.ts";

/** One mapping of a region, ready to be judged. */
export interface JudgedRange {
  readonly address: bigint;
  readonly size: number;
  readonly perms: string;
  /** Leaves the same remainder as the physical address at every leaf size; null where that is not known. */
  readonly congruence: bigint | null;
  /** Where it starts in its region, or behind the first of the ranges: what keeps them apart at any other address. */
  readonly offset: bigint;
  /** Whether the kernel would give this mapping huge leaves at a suitable address. */
  readonly gate: "open" | "closed" | "unknown";
  /** The generation of the handler that lays its leaves. */
  readonly handler: FaultHandler;
}

/** What leaves cost. */
export interface Cost {
  /** Large to small; sizes without any are left out. */
  readonly leaves: readonly LeafCount[];
  readonly faults: number;
  /** Null where the architecture's tables are not known. */
  readonly pageTableBytes: number | null;
  /** The spans of each range, in the order of the ranges. */
  readonly spans: readonly (readonly LeafSpan[])[];
}

/**
 * - `huge`: as good as possible.
 * - `partial`: some huge leaves, and there could be more.
 * - `small`: no huge leaf, and there could be.
 * - `wrong`: the kernel lays huge leaves here that show other memory than they should.
 * - `unknown`: what is not known decides.
 */
export type Verdict = "huge" | "partial" | "small" | "wrong" | "unknown";

/** What stands in the way, before words are found for it. */
export type Shortfall =
  | "gate"
  | "gate-unknown"
  | "physical-unknown"
  | "misaligned"
  | "split"
  | "wrong-memory"
  | "touch-order";

/** The leaves at best and at worst, where it is not known which. */
export type Between = readonly [best: Cost, worst: Cost];

export interface Judgement {
  /** As the mappings are; null where that is not known. */
  readonly now: Cost | null;
  /** What they may be, where that is not known; null where it is. */
  readonly between: Between | null;
  readonly best: Cost;
  readonly verdict: Verdict;
  readonly shortfalls: readonly Shortfall[];
}

/** Judges the mappings of one region together; they are in ascending order and do not overlap. */
export function judge(ranges: readonly JudgedRange[], model: PagingModel): Judgement {
  const congruent = ranges.map(toCongruent);
  const likely = costOf(ranges, model);
  const closed = costOf(congruent, model);
  const aligned = costOf(congruent.map(opened), model);
  const best = costOf(joined(congruent.map(opened)), model);
  const wrong = ranges.map((range) => showsWrongMemory(range, model));

  if (!hasHuge(best, model) && !wrong.some((is) => is !== false)) {
    // No address brings a huge leaf: then none is better than that which it has.
    return { now: likely, between: null, best: likely, verdict: "huge", shortfalls: [] };
  }
  const shortfalls: Shortfall[] = [];
  if (closed.faults > aligned.faults) shortfalls.push("gate");
  // Where a mapping would have to lie is known only of those whose memory's place is.
  const placed = ranges.filter(({ congruence }) => congruence !== null);
  const faults = (some: readonly JudgedRange[]): number => costOf(some.map(opened), model).faults;
  const placedWell = faults(placed.map(toCongruent));
  if (faults(placed) > placedWell) shortfalls.push("misaligned");
  if (placedWell > faults(joined(placed.map(toCongruent)))) shortfalls.push("split");

  const doubts = ranges.map((range, index) => {
    const own = doubtsOf(range, likely.spans[index] ?? [], model);
    if (wrong[index] === false) return own;
    // Where none of its own leaves is huge, whether the wrong ones are there hangs on the gate all the same.
    const gate = wrong[index] === null && range.gate === "unknown" ? (["gate-unknown"] as const) : [];
    return ["wrong-memory", ...own, ...gate] as const;
  });
  // Where the kernel may have no huge leaves at all, that comes before what they might be like.
  const isKnown = ranges.some(({ gate, handler }) => gate !== "unknown" || handler.mapsWrongMemory === true);
  const order = isKnown ? WORST_FIRST : GATE_FIRST;
  const doubt = order.filter((each) => doubts.some((some) => some.includes(each)));
  if (doubt.length > 0) {
    const between: Between = [
      costOf(
        ranges.map((range, index) => (wrong[index] === false ? range : byAddress(range))),
        model,
      ),
      costOf(
        ranges.map((range, index) => (doubts[index]?.length === 0 ? range : { ...range, gate: "closed" })),
        model,
      ),
    ];
    // The page frame decides first: where it is not known, nothing else can be said to stand in the way.
    const known = doubt.includes("physical-unknown") ? [] : shortfalls;
    const verdict = wrong.includes(true) ? "wrong" : "unknown";
    return { now: null, between, best, verdict, shortfalls: [...doubt, ...known] };
  }
  const settled = { now: likely, between: null, best };
  if (likely.faults === best.faults) return { ...settled, verdict: "huge", shortfalls: [] };
  return { ...settled, verdict: hasHuge(likely, model) ? "partial" : "small", shortfalls };
}

const WORST_FIRST = ["wrong-memory", "physical-unknown", "gate-unknown", "touch-order"] as const;
const GATE_FIRST = ["physical-unknown", "gate-unknown", "wrong-memory", "touch-order"] as const;
type Doubt = (typeof WORST_FIRST)[number];

/** What keeps the leaves of a range from being known. */
function doubtsOf(
  { congruence, gate, handler }: JudgedRange,
  spans: readonly LeafSpan[],
  { pageSize }: PagingModel,
): Doubt[] {
  const doubts: Doubt[] = [];
  // It may have the best there is, or not, also where no huge leaf fits at its address.
  if (congruence === null && gate !== "closed") doubts.push("physical-unknown");
  if (spans.some(({ leaf }) => leaf > pageSize)) {
    if (gate === "unknown") doubts.push("gate-unknown");
    if (handler.dependsOnOrder !== false) doubts.push("touch-order");
  }
  return doubts;
}

/**
 * Whether the kernel lays huge leaves by the address alone where the physical address does not fit: null where that is not
 * known of the kernel, or where the gate is not known.
 */
function showsWrongMemory(
  { address, size, congruence, gate, handler }: JudgedRange,
  model: PagingModel,
): boolean | null {
  if (handler.mapsWrongMemory === false || gate === "closed" || congruence === null) return false;
  if (!leavesMisfit({ address, size, physical: congruence }, model)) return false;
  return gate === "open" && handler.mapsWrongMemory === true ? true : null;
}

function hasHuge({ leaves }: Cost, { pageSize }: PagingModel): boolean {
  return leaves.some(({ size }) => size > pageSize);
}

/** The same range at an address congruent with the physical one: nothing can be better for it. */
function toCongruent(range: JudgedRange): JudgedRange {
  const address = range.congruence ?? range.offset;
  return { ...range, address, congruence: address };
}

/** The same range with leaves by its address alone. */
function byAddress(range: JudgedRange): JudgedRange {
  return { ...range, congruence: range.address };
}

/** The same range where the kernel gives huge leaves. */
function opened(range: JudgedRange): JudgedRange {
  return { ...range, gate: "open" };
}

/** Ranges that meet in address and in physical memory, and may be one mapping since their protection is the same. */
function joined(ranges: readonly JudgedRange[]): JudgedRange[] {
  const pieces: JudgedRange[] = [];
  for (const range of ranges) {
    const last = pieces.at(-1);
    if (
      last !== undefined &&
      last.perms === range.perms &&
      last.address + BigInt(last.size) === range.address
    ) {
      pieces.splice(-1, 1, { ...last, size: last.size + range.size });
    } else {
      pieces.push(range);
    }
  }
  return pieces;
}

/** An unknown gate counts as open: the best it could be. */
function costOf(
  ranges: readonly JudgedRange[],
  model: PagingModel,
): Cost & { readonly pageTableBytes: number } {
  const laid = ranges.map(({ address, size, congruence, gate }) => ({
    address,
    spans: leafSpans(
      { address, size, physical: congruence ?? address },
      model,
      gate === "closed" ? { largestLeaf: model.pageSize } : {},
    ),
  }));
  const leaves = countLeaves(laid.flatMap(({ spans }) => spans));
  return {
    leaves,
    faults: faultsOf(leaves),
    pageTableBytes: pageTableBytes(laid, model),
    spans: laid.map(({ spans }) => spans),
  };
}
