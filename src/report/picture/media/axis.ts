/**
 * Places a drawing's axis on a row of cells (columns of a terminal, pixels of a picture). Parts too small to be seen
 * at scale still get a cell each while there is room: fifteen 4 KiB leaves at the end of 256 GiB are the news.
 */

import type { Drawing, DrawnSpan, SpanKind } from "../drawing/drawing.ts";

/** The axis in cells: `position(offset)` from 0 at offset 0 to `cells` at the region's end, never falling. */
export interface Axis {
  readonly cells: number;
  position(offset: number): number;
}

export function placeAxis(drawing: Drawing, cells: number): Axis {
  const { size, ticks } = drawing;
  const segments = ticks.slice(1).map((tick, index) => tick - (ticks[index] ?? 0));
  // With more parts than a third of the cells, one cell each would leave nothing of the proportions.
  if (segments.length * 3 > cells) return { cells, position: (offset) => (offset / size) * cells };

  const widths = cellsOf(segments, cells);
  const starts = new Map<number, number>();
  let start = 0;
  for (const [index, tick] of ticks.entries()) {
    starts.set(tick, start);
    start += widths[index] ?? 0;
  }
  return { cells, position: (offset) => starts.get(offset) ?? (offset / size) * cells };
}

/** Shares `cells` among sizes in proportion, at least one each. */
function cellsOf(sizes: readonly number[], cells: number): number[] {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const widths = sizes.map((size) => Math.max(1, Math.floor((size / total) * cells)));
  let left = cells - widths.reduce((sum, width) => sum + width, 0);
  // What rounding left over, or took too much, is settled with the widest: there it shows least.
  while (left !== 0) {
    const widest = widths.indexOf(Math.max(...widths));
    const step = Math.sign(left);
    widths[widest] = (widths[widest] ?? 0) + step;
    left -= step;
  }
  return widths;
}

/** What each cell of a strip shows: the kind that covers most of it. */
export function cellKinds(spans: readonly DrawnSpan[], axis: Axis): SpanKind[] {
  const cells = Array.from({ length: axis.cells }, () => new Map<SpanKind, number>());
  for (const { offset, size, kind } of spans) {
    const from = axis.position(offset);
    const to = axis.position(offset + size);
    for (let cell = Math.floor(from); cell < to; cell += 1) {
      const covered = Math.min(to, cell + 1) - Math.max(from, cell);
      const kinds = cells[cell];
      kinds?.set(kind, (kinds.get(kind) ?? 0) + covered);
    }
  }
  return cells.map(mostOf);
}

function mostOf(covered: ReadonlyMap<SpanKind, number>): SpanKind {
  let most: SpanKind = "gap";
  for (const [kind, part] of covered) if (part > (covered.get(most) ?? 0)) most = kind;
  return most;
}
