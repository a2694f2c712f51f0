/**
 * The drawing model: which part of a region gets which leaf, one strip per strategy (or per state of a mapping), all
 * over one axis of region offsets. It knows no medium; a renderer per medium turns it into text, SVG or HTML.
 */

import type { Verdict } from "../../../inspect/judge/judge.ts";
import type { LeafCount, LeafSpan } from "../../../layout/leaves.ts";
import type { PagingModel } from "../../../layout/paging.ts";
import { formatSize } from "../../../layout/sizes.ts";

/** What a part of a region is: mapped by leaves of one level of the page table, or a gap. */
export type SpanKind = "pud" | "pmd" | "pte" | "gap";

/** What a part without leaves is called: a gap in a region's shape, or a part that a process has not mapped. */
export type GapName = "gap" | "not mapped" | "not touched, or not mapped";

/** A part of a region: `offset` and `size` in bytes. */
export interface DrawnSpan {
  readonly offset: number;
  readonly size: number;
  readonly kind: SpanKind;
}

/** A mapping of a part of the region, or one that is planned. */
export interface Piece {
  readonly offset: number;
  readonly size: number;
  /** Virtual address of its first byte. */
  readonly address: bigint;
}

/** One strip: the whole region, part after part, without holes. */
export interface Strip {
  /** `none`, `region`, `now` */
  readonly name: string;
  /** What it shows, in a few words. */
  readonly about: string;
  readonly leaves: readonly LeafCount[];
  readonly faults: number;
  readonly pageTableBytes: number;
  readonly spans: readonly DrawnSpan[];
  /** Made when asked for: only a page needs them, and there may be a hundred thousand. */
  readonly pieces: () => readonly Piece[];
  /** Whether the pieces' addresses are those of real mappings; of planned ones they are the least that is promised. */
  readonly mapped: boolean;
}

export interface LegendEntry {
  readonly kind: SpanKind;
  /** `1 GiB leaves`, `gap`, `not mapped` */
  readonly label: string;
}

/** What was found of a mapping that is there. */
export interface Judged {
  readonly verdict: Verdict;
  /** What stands in the way, and what to do about it. */
  readonly reasons: readonly { readonly code: string; readonly advice: string }[];
}

/** A region to draw. */
export interface DrawnRegion {
  /** What it is called: `Region 2 of 0000:01:00.0`. It may come from outside, and holds anything. */
  readonly title: string;
  /** What else there is to say about it, a sentence each. */
  readonly notes: readonly string[];
  /** Absent where there is nothing to judge: of a plan, of a mapping of one's own. */
  readonly judged?: Judged;
  /** Bytes: the length of the axis. */
  readonly size: number;
  /**
   * Physical address of the region's first byte, or a number that leaves the same remainder at every leaf size; null
   * where neither is known.
   */
  readonly physical: bigint | null;
  readonly gapName: GapName;
}

export interface Drawing extends DrawnRegion {
  readonly model: PagingModel;
  readonly strips: readonly Strip[];
  /** Where something begins or ends on any strip, from 0 to `size`. */
  readonly ticks: readonly number[];
  /** The kinds that occur, large leaves first. */
  readonly legend: readonly LegendEntry[];
}

/** All that a drawing has to say, a sentence each: its verdict first, and last what to do. */
export function notesOn({ notes, judged }: DrawnRegion): string[] {
  if (judged === undefined) return [...notes];
  return [
    `Verdict: ${judged.verdict}`,
    ...notes,
    ...judged.reasons.map(({ code, advice }) => `${code}: ${advice}`),
  ];
}

export interface StripInput extends Omit<Strip, "spans"> {
  /** The mapped parts with their leaves, sorted by their offset in the region. */
  readonly spans: readonly LeafSpan[];
}

/**
 * Draws a region: each input becomes a strip, the space between its spans gaps. Strips stand in the order from how it
 * is, or would be, to how it should be.
 */
export function drawRegion(region: DrawnRegion, inputs: readonly StripInput[], model: PagingModel): Drawing {
  const { size } = region;
  const strips = inputs.map((input) => ({ ...input, spans: withGaps(size, input.spans, model) }));
  const isPresent = (kind: SpanKind): boolean =>
    strips.some(({ spans }) => spans.some((span) => span.kind === kind));
  const kinds: readonly LegendEntry[] = [
    { kind: "pud", label: `${formatSize(model.pudSize)} leaves` },
    { kind: "pmd", label: `${formatSize(model.pmdSize)} leaves` },
    { kind: "pte", label: `${formatSize(model.pageSize)} leaves` },
    { kind: "gap", label: region.gapName },
  ];
  return {
    ...region,
    model,
    strips,
    ticks: ticksOf(size, strips),
    legend: kinds.filter(({ kind }) => isPresent(kind)),
  };
}

function withGaps(size: number, spans: readonly LeafSpan[], model: PagingModel): DrawnSpan[] {
  const drawn: DrawnSpan[] = [];
  let last: { readonly offset: number; size: number; readonly kind: SpanKind } | null = null;
  let end = 0;
  const add = (offset: number, length: number, kind: SpanKind): void => {
    if (last?.kind === kind) last.size += length;
    else if (length > 0) drawn.push((last = { offset, size: length, kind }));
  };
  for (const span of spans) {
    add(end, span.offset - end, "gap");
    add(span.offset, span.size, kindOf(span.leaf, model));
    end = span.offset + span.size;
  }
  add(end, size - end, "gap");
  return drawn;
}

function kindOf(leaf: number, model: PagingModel): SpanKind {
  if (leaf === model.pageSize) return "pte";
  return leaf === model.pmdSize ? "pmd" : "pud";
}

function ticksOf(size: number, strips: readonly Strip[]): number[] {
  const starts = strips.map(({ spans }) => spans.map(({ offset }) => offset));
  return starts.reduce(merged, size === 0 ? [0] : [0, size]);
}

/** The numbers of two ascending lists, each once. */
function merged(some: readonly number[], others: readonly number[]): number[] {
  const all: number[] = [];
  for (let i = 0, j = 0; i < some.length || j < others.length;) {
    const [a = Infinity, b = Infinity] = [some[i], others[j]];
    all.push(Math.min(a, b));
    if (a <= b) i += 1;
    if (b <= a) j += 1;
  }
  return all;
}
