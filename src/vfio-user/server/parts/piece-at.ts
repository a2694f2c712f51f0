/** Where an access lies: in an area of its region, or in a gap. */

import type { Area } from "../../../layout/areas.ts";

export interface AccessPiece {
  readonly mapped: boolean;
  /** How many bytes of the access lie there. */
  readonly length: number;
}

/** The part of `length` bytes at `offset` that lies in one area or one gap; `areas` are sorted, and none is empty. */
export function pieceAt(areas: readonly Area[], offset: number, length: number): AccessPiece {
  // The first area that ends behind the offset.
  let low = 0;
  for (let high = areas.length; low < high;) {
    const middle = (low + high) >>> 1;
    const area = areas[middle];
    if (area !== undefined && area.offset + area.size <= offset) low = middle + 1;
    else high = middle;
  }
  const area = areas[low];
  if (area === undefined) return { mapped: false, length };
  if (offset < area.offset) return { mapped: false, length: Math.min(length, area.offset - offset) };
  return { mapped: true, length: Math.min(length, area.offset + area.size - offset) };
}
