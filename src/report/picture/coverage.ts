/**
 * How much of a strip each kind covers, found without going over its parts: a crowd of a hundred thousand is drawn by a search
 * for each column. Arithmetic only: it runs in the browser, for every frame of a zoom.
 */

import type { DrawnSpan, SpanKind } from "./drawing.ts";
import type { View } from "./view.ts";

const KINDS = ["pud", "pmd", "pte", "gap"] as const satisfies readonly SpanKind[];

export interface Coverage {
  /** Where each span ends. */
  readonly ends: Float64Array;
  /** At `index`, the bytes of a kind in the spans before that of this index. */
  readonly sums: Readonly<Record<SpanKind, Float64Array>>;
}

/** @param spans a strip's: from offset 0 on, without holes */
export function coverageOf(spans: readonly DrawnSpan[]): Coverage {
  const ends = new Float64Array(spans.length);
  const sums = {
    pud: new Float64Array(spans.length + 1),
    pmd: new Float64Array(spans.length + 1),
    pte: new Float64Array(spans.length + 1),
    gap: new Float64Array(spans.length + 1),
  };
  for (const [index, { offset, size, kind }] of spans.entries()) {
    ends[index] = offset + size;
    for (const each of KINDS) sums[each][index + 1] = sums[each][index] ?? 0;
    sums[kind][index + 1] = (sums[kind][index] ?? 0) + size;
  }
  return { ends, sums };
}

/** The bytes of each kind from offset 0 to `offset`. */
function coveredUpTo({ ends, sums }: Coverage, offset: number): Record<SpanKind, number> {
  let index = 0;
  let high = ends.length;
  while (index < high) {
    const middle = (index + high) >>> 1;
    if ((ends[middle] ?? 0) <= offset) index = middle + 1;
    else high = middle;
  }
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
