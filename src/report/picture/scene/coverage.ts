/**
 * How much of a strip each kind covers, found without going over its parts: a crowd of a hundred thousand is drawn by a search
 * for each column. Arithmetic only: it runs in the browser, for every frame of a zoom.
 */

import type { DrawnSpan, SpanKind } from "../drawing/drawing.ts";
import type { View } from "./view.ts";

/** The kinds by the number that stands for them. */
export const KINDS = ["pud", "pmd", "pte", "gap"] as const satisfies readonly SpanKind[];

/** The spans of a strip in columns: a hundred thousand objects would take a second to make, and most are never looked at. */
export interface Coverage {
  /** Where each span ends, which is where the next one begins. */
  readonly ends: Float64Array;
  /** The kind of each, by its place in `KINDS`. */
  readonly kinds: Uint8Array;
  /** At `index`, the bytes of a kind in the spans before that of this index. */
  readonly sums: Readonly<Record<SpanKind, Float64Array>>;
}

/** @param spans a strip's: from offset 0 on, without holes */
export function coverageOf(spans: readonly DrawnSpan[]): Coverage {
  return coverageFrom(
    Float64Array.from(spans, ({ offset, size }) => offset + size),
    Uint8Array.from(spans, ({ kind }) => KINDS.indexOf(kind)),
  );
}

export function coverageFrom(ends: Float64Array, kinds: Uint8Array): Coverage {
  const sums = {
    pud: new Float64Array(ends.length + 1),
    pmd: new Float64Array(ends.length + 1),
    pte: new Float64Array(ends.length + 1),
    gap: new Float64Array(ends.length + 1),
  };
  const { pud, pmd, pte, gap } = sums;
  const totals = new Float64Array(KINDS.length);
  let end = 0;
  for (let index = 0; index < ends.length; index += 1) {
    const before = end;
    end = ends[index] ?? end;
    const kind = kinds[index] ?? 0;
    totals[kind] = (totals[kind] ?? 0) + end - before;
    pud[index + 1] = totals[0] ?? 0;
    pmd[index + 1] = totals[1] ?? 0;
    pte[index + 1] = totals[2] ?? 0;
    gap[index + 1] = totals[3] ?? 0;
  }
  return { ends, kinds, sums };
}

/** The first span that a view shows something of, and the one behind the last. */
export function spansInView({ ends }: Coverage, { from, to }: View): readonly [first: number, end: number] {
  const first = countUpTo(ends, from);
  // The one that goes on past the view's end is still in it, unless it begins there.
  const last = countUpTo(ends, to);
  const begin = last === 0 ? 0 : (ends[last - 1] ?? 0);
  return [first, last < ends.length && begin < to ? last + 1 : last];
}

export function spansBetween({ ends, kinds }: Coverage, first: number, end: number): DrawnSpan[] {
  return Array.from({ length: Math.max(0, end - first) }, (_, place) => {
    const offset = ends[first + place - 1] ?? 0;
    const size = (ends[first + place] ?? offset) - offset;
    return { offset, size, kind: KINDS[kinds[first + place] ?? 3] ?? "gap" };
  });
}

/** How many of the numbers, in order, are `most` at most. */
function countUpTo(numbers: Float64Array, most: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] ?? 0) <= most) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The bytes of each kind from offset 0 to `offset`. */
function coveredUpTo({ ends, sums }: Coverage, offset: number): Record<SpanKind, number> {
  const index = countUpTo(ends, offset);
  const past = offset - (ends[index - 1] ?? 0);
  const covered = { pud: 0, pmd: 0, pte: 0, gap: 0 };
  for (const kind of KINDS) {
    const before = sums[kind][index] ?? 0;
    const isHere = (sums[kind][index + 1] ?? before) > before;
    covered[kind] = before + (isHere ? past : 0);
  }
  return covered;
}

/** The bytes of each kind in a view. */
export function coveredIn(coverage: Coverage, { from, to }: View): Record<SpanKind, number> {
  const [start, end] = [coveredUpTo(coverage, from), coveredUpTo(coverage, to)];
  return {
    pud: end.pud - start.pud,
    pmd: end.pmd - start.pmd,
    pte: end.pte - start.pte,
    gap: end.gap - start.gap,
  };
}

/** For each kind, the share of every column that it covers, 0 to 1. */
export type Density = Readonly<Record<SpanKind, Float64Array>>;

/** What share of each of `columns` equal columns of a view the kinds cover: how a crowd of parts is shown. */
export function densityOf(coverage: Coverage, { from, to }: View, columns: number): Density {
  const density = {
    pud: new Float64Array(columns),
    pmd: new Float64Array(columns),
    pte: new Float64Array(columns),
    gap: new Float64Array(columns),
  };
  const length = (to - from) / columns;
  let before = coveredUpTo(coverage, from);
  for (let column = 0; column < columns; column += 1) {
    const after = coveredUpTo(coverage, column + 1 === columns ? to : from + length * (column + 1));
    for (const kind of KINDS) density[kind][column] = (after[kind] - before[kind]) / length;
    before = after;
  }
  return density;
}
