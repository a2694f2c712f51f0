/**
 * The drawing model: which part of a region gets which leaf, one strip per strategy (or per mapping), all over one
 * axis of region offsets. It knows no medium; a renderer per medium turns it into text, SVG or HTML.
 */

import type { LeafSpan } from "../layout/leaves.ts";
import type { PagingModel } from "../layout/paging.ts";
import { formatSize } from "../layout/sizes.ts";
import { roundedSize } from "./numbers.ts";

/** What a part of a region is: mapped by leaves of one level of the page table, or a gap. */
export type SpanKind = "pud" | "pmd" | "pte" | "gap";

/** A part of a region: `offset` and `size` in bytes. */
export interface DrawnSpan {
  readonly offset: number;
  readonly size: number;
  readonly kind: SpanKind;
}

/** One strip: the whole region, part after part, without holes. */
export interface Strip {
  readonly name: string;
  /** The strip's numbers in words: `451 faults, 8 KiB of page tables`. */
  readonly numbers: string;
  readonly spans: readonly DrawnSpan[];
}

export interface Tick {
  readonly offset: number;
  readonly label: string;
}

export interface LegendEntry {
  readonly kind: SpanKind;
  /** `1 GiB leaves`, `gap` */
  readonly label: string;
}

export interface Drawing {
  /** The region's size in bytes: the length of the axis. */
  readonly size: number;
  readonly strips: readonly Strip[];
  /** Where something begins or ends on any strip, from 0 to `size`. */
  readonly ticks: readonly Tick[];
  /** The kinds that occur, large leaves first. */
  readonly legend: readonly LegendEntry[];
}

export interface StripInput {
  readonly name: string;
  readonly numbers: string;
  /** The mapped parts with their leaves, sorted by their offset in the region. */
  readonly spans: readonly LeafSpan[];
}

/** Draws a region of `size` bytes: each input becomes a strip, the space between its spans gaps. */
export function drawRegion(size: number, inputs: readonly StripInput[], model: PagingModel): Drawing {
  const strips = inputs.map(({ name, numbers, spans }) => ({
    name,
    numbers,
    spans: withGaps(size, spans, model),
  }));
  const present = new Set(strips.flatMap(({ spans }) => spans.map(({ kind }) => kind)));
  const kinds: readonly LegendEntry[] = [
    { kind: "pud", label: `${formatSize(model.pudSize)} leaves` },
    { kind: "pmd", label: `${formatSize(model.pmdSize)} leaves` },
    { kind: "pte", label: `${formatSize(model.pageSize)} leaves` },
    { kind: "gap", label: "gap" },
  ];
  return {
    size,
    strips,
    ticks: ticksOf(size, strips),
    legend: kinds.filter(({ kind }) => present.has(kind)),
  };
}

function withGaps(size: number, spans: readonly LeafSpan[], model: PagingModel): DrawnSpan[] {
  const drawn: DrawnSpan[] = [];
  let end = 0;
  const add = (offset: number, length: number, kind: SpanKind): void => {
    const last = drawn.at(-1);
    if (last?.kind === kind) drawn[drawn.length - 1] = { ...last, size: last.size + length };
    else if (length > 0) drawn.push({ offset, size: length, kind });
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

function ticksOf(size: number, strips: readonly Strip[]): Tick[] {
  const offsets = new Set([0, size, ...strips.flatMap(({ spans }) => spans.map(({ offset }) => offset))]);
  return [...offsets]
    .sort((a, b) => a - b)
    .map((offset) => ({ offset, label: offset === 0 ? "0" : roundedSize(offset) }));
}
