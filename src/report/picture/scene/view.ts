/** The part of an axis that is looked at, and how it moves. Arithmetic only: it runs in the browser. */

/** From one offset to another, in bytes; they need not be whole. */
export interface View {
  readonly from: number;
  readonly to: number;
}

/** How far a view can go: the whole of `size` bytes, and down to `smallest` of them. */
export interface ViewLimits {
  readonly size: number;
  readonly smallest: number;
}

export function wholeView({ size }: ViewLimits): View {
  return { from: 0, to: size };
}

/**
 * Brings what is at `anchor` nearer (`factor` below 1) or further away, and leaves it where it is.
 *
 * @param anchor 0 at the view's left end, 1 at its right one
 */
export function zoomView({ from, to }: View, factor: number, anchor: number, limits: ViewLimits): View {
  const length = lengthWithin((to - from) * factor, limits);
  return shiftWithin(from + (to - from - length) * anchor, length, limits);
}

/** Moves the view by a share of its own length: to the right where it is positive. */
export function panView({ from, to }: View, share: number, limits: ViewLimits): View {
  const length = to - from;
  return shiftWithin(from + length * share, length, limits);
}

/** The view of the stretch between two places of a view: 0 is its left end, 1 its right one. */
export function stretchOfView({ from, to }: View, low: number, high: number, limits: ViewLimits): View {
  const length = lengthWithin((to - from) * (high - low), limits);
  return shiftWithin(from + (to - from) * low, length, limits);
}

/** The view that shows a part with a seventh of it to spare on either side, as far as there is any. */
export function frameView(
  part: { readonly offset: number; readonly size: number },
  limits: ViewLimits,
): View {
  const length = lengthWithin((part.size * 9) / 7, limits);
  return shiftWithin(part.offset + (part.size - length) / 2, length, limits);
}

/** The view on the way from one to another: at equal steps of `progress`, 0 to 1, lengths change by equal factors. */
export function viewBetween(start: View, end: View, progress: number): View {
  if (progress >= 1) return end;
  const startLength = start.to - start.from;
  const endLength = end.to - end.from;
  const length = startLength * (endLength / startLength) ** progress;
  // The point that stands still while the length changes; where the length does not, the view slides.
  const moved = endLength === startLength ? progress : (length - startLength) / (endLength - startLength);
  const from = start.from + (end.from - start.from) * moved;
  return { from, to: from + length };
}

function lengthWithin(length: number, { size, smallest }: ViewLimits): number {
  return Math.min(size, Math.max(Math.min(smallest, size), length));
}

function shiftWithin(from: number, length: number, { size }: ViewLimits): View {
  const start = Math.min(Math.max(0, from), size - length);
  return { from: start, to: start + length };
}
