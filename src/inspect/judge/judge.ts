/** Compares the leaves that a region's mappings get with the best there could be. */

import { countLeaves, faultsOf, leafSpans, type LeafCount, type LeafSpan } from "../../layout/leaves.ts";
import { pageTableBytes } from "../../layout/page-tables.ts";
import type { PagingModel } from "../../layout/paging.ts";

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
}

/** What leaves cost. */
export interface Cost {
  /** Large to small; sizes without any are left out. */
  readonly leaves: readonly LeafCount[];
  readonly faults: number;
  readonly pageTableBytes: number;
  /** The spans of each range, in the order of the ranges. */
  readonly spans: readonly (readonly LeafSpan[])[];
}

/**
 * - `huge`: as good as possible.
 * - `partial`: some huge leaves, and there could be more.
 * - `small`: no huge leaf, and there could be.
 * - `unknown`: what is not known decides.
 */
export type Verdict = "huge" | "partial" | "small" | "unknown";

/** What stands in the way, before words are found for it. */
export type Shortfall = "gate" | "gate-unknown" | "physical-unknown" | "misaligned" | "split";

export interface Judgement {
  /** As the mappings are; where something is not known, the best it could be. */
  readonly now: Cost;
  readonly best: Cost;
  readonly verdict: Verdict;
  readonly shortfalls: readonly Shortfall[];
}

/** Judges the mappings of one region together; they are in ascending order and do not overlap. */
export function judge(ranges: readonly JudgedRange[], model: PagingModel): Judgement {
  const congruent = ranges.map(toCongruent);
  const now = costOf(ranges, model);
  const open = costOf(ranges.map(opened), model);
  const closed = costOf(congruent, model);
  const aligned = costOf(congruent.map(opened), model);
  const best = costOf(joined(congruent.map(opened)), model);

  if (!hasHuge(best, model)) return { now, best, verdict: "huge", shortfalls: [] };

  const shortfalls: Shortfall[] = [];
  if (closed.faults > aligned.faults) shortfalls.push("gate");
  if (open.faults > aligned.faults) shortfalls.push("misaligned");
  if (aligned.faults > best.faults) shortfalls.push("split");
  const doubtful = ranges.filter((_, index) => now.spans[index]?.some(({ leaf }) => leaf > model.pageSize));
  const physicalUnknown = doubtful.some(({ congruence }) => congruence === null);
  const gateUnknown = doubtful.some(({ gate }) => gate === "unknown");
  if (physicalUnknown) return { now, best, verdict: "unknown", shortfalls: ["physical-unknown"] };
  if (gateUnknown) return { now, best, verdict: "unknown", shortfalls: [...shortfalls, "gate-unknown"] };
  if (now.faults === best.faults) return { now, best, verdict: "huge", shortfalls: [] };
  return { now, best, verdict: hasHuge(now, model) ? "partial" : "small", shortfalls };
}

function hasHuge({ leaves }: Cost, { pageSize }: PagingModel): boolean {
  return leaves.some(({ size }) => size > pageSize);
}

/** The same range at an address congruent with the physical one: nothing can be better for it. */
function toCongruent(range: JudgedRange): JudgedRange {
  const address = range.congruence ?? range.offset;
  return { ...range, address, congruence: address };
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
function costOf(ranges: readonly JudgedRange[], model: PagingModel): Cost {
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
