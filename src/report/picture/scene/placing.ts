/**
 * Places a strip's parts on a row of pixels. Arithmetic only: it runs in the browser, for every frame of a zoom, and
 * does work for what is visible alone.
 */

import type { DrawnSpan } from "../drawing/drawing.ts";
import type { View } from "./view.ts";

export interface PlacedPart {
  readonly span: DrawnSpan;
  /** Pixels from the left end. */
  readonly x: number;
  readonly width: number;
}

/** The narrowest part that can be seen and pointed at, in pixels. */
const NARROWEST = 3;
/** How far narrow parts may push their neighbours, in pixels, before the picture would lie about proportions. */
const FARTHEST_PUSH = 12;

/** How many items, from the first on, `isBefore` holds for; it holds for none after one that it does not hold for. */
function countBefore<Item>(items: readonly Item[], isBefore: (item: Item) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = items[middle];
    if (item !== undefined && isBefore(item)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Those of the items, sorted and without overlaps, that a view shows something of. */
export function itemsInView<Item extends { readonly offset: number; readonly size: number }>(
  items: readonly Item[],
  { from, to }: View,
): Item[] {
  return items.slice(
    countBefore(items, ({ offset, size }) => offset + size <= from),
    countBefore(items, ({ offset }) => offset < to),
  );
}

/** Whether there are too many parts for each to be seen. */
export function isCrowd(parts: number, width: number): boolean {
  return parts * NARROWEST > width;
}

/**
 * Gives every part its place on `width` pixels, at scale, but none less than can be seen: 256 pages at the end of
 * 188 GiB are the news. Null where there are too many for that; `densityOf` (coverage.ts) shows them.
 *
 * @param spans those in view, without holes
 */
export function placeParts(
  spans: readonly DrawnSpan[],
  { from, to }: View,
  width: number,
): PlacedPart[] | null {
  if (isCrowd(spans.length, width)) return null;
  const scale = width / (to - from);
  const atScale = spans.map(({ offset, size }) => Math.min(width, (offset + size - from) * scale));
  const ends: number[] = [];
  let end = 0;
  for (const wanted of atScale) {
    end = Math.max(wanted, end + NARROWEST);
    ends.push(end);
  }
  // What was pushed over the right end pushes back.
  let limit = width;
  for (let index = ends.length - 1; index >= 0; index -= 1) {
    limit = Math.min(limit, ends[index] ?? 0);
    ends[index] = limit;
    limit -= NARROWEST;
  }
  if (ends.some((each, index) => Math.abs(each - (atScale[index] ?? 0)) > FARTHEST_PUSH)) return null;
  return spans.map((span, index) => {
    const x = ends[index - 1] ?? 0;
    return { span, x, width: (ends[index] ?? width) - x };
  });
}

export interface PlacedLabel {
  readonly text: string;
  /** Left end of the text, in pixels. */
  readonly x: number;
  /** The middle of what it names. */
  readonly from: number;
}

/** How wide a character of a label is, in pixels, about; fonts differ. */
const CHARACTER = 6.5;
const BETWEEN = 14;

/**
 * Puts a text below each part: below its middle where there is room, else beside. Null where the texts do not all fit;
 * then none is better than some.
 */
export function placeLabels(
  parts: readonly PlacedPart[],
  textOf: (span: DrawnSpan) => string,
  width: number,
): PlacedLabel[] | null {
  const texts = parts.map(({ span }) => textOf(span));
  const widths = texts.map((text) => text.length * CHARACTER);
  const room = widths.reduce((sum, each) => sum + each + BETWEEN, -BETWEEN);
  if (room > width) return null;
  const starts: number[] = [];
  let free = 0;
  for (const [index, part] of parts.entries()) {
    const own = widths[index] ?? 0;
    const start = Math.max(free, part.x + part.width / 2 - own / 2);
    starts.push(start);
    free = start + own + BETWEEN;
  }
  let limit = width + BETWEEN;
  for (let index = starts.length - 1; index >= 0; index -= 1) {
    limit = Math.min(starts[index] ?? 0, limit - BETWEEN - (widths[index] ?? 0));
    starts[index] = limit;
  }
  return parts.map((part, index) => ({
    text: texts[index] ?? "",
    x: starts[index] ?? 0,
    from: part.x + part.width / 2,
  }));
}
