/** Where capabilities stand in a part of configuration space. */

import type { HugebarError } from "../../../errors.ts";

export interface ToPlace {
  /** Bytes, a multiple of 4. */
  readonly size: number;
  readonly offset: number | undefined;
}

/**
 * Where each starts: those that have an offset there, the others in the first room that is left, in their order.
 *
 * @param refused makes an error of what is wrong with one of them, by its number
 */
export function placeAll(
  items: readonly ToPlace[],
  [from, to]: readonly [number, number],
  refused: (item: number, problem: string) => HugebarError,
): number[] {
  const taken: { start: number; end: number }[] = [];
  const starts = items.map(({ offset = 0 }) => offset);
  const take = (item: number, start: number, size: number): void => {
    if (start + size > to) throw refused(item, "configuration space has no room for it");
    taken.push({ start, end: start + size });
    taken.sort((one, other) => one.start - other.start);
    starts[item] = start;
  };
  for (const [item, { size, offset }] of items.entries()) {
    if (offset === undefined) continue;
    if (offset % 4 !== 0) throw refused(item, `its offset (${offset}) is no multiple of 4`);
    if (taken.some(({ start, end }) => start < offset + size && offset < end))
      throw refused(item, "it shares bytes with another");
    take(item, offset, size);
  }
  for (const [item, { size, offset }] of items.entries()) {
    if (offset !== undefined) continue;
    let start = from;
    for (const other of taken) if (other.start < start + size) start = Math.max(start, other.end);
    take(item, start, size);
  }
  return starts;
}
