/** The mapped pieces of a strip in columns, as its spans are. Arithmetic only: it runs in the browser. */

import type { PhasedPiece } from "./boundaries.ts";
import type { View } from "./view.ts";

/** In ascending order, without overlaps. */
export interface Pieces {
  readonly offsets: Float64Array;
  readonly sizes: Float64Array;
  /** The addresses as remainders (PhasedPiece). */
  readonly phases: Float64Array;
}

export function piecesOf(pieces: readonly PhasedPiece[]): Pieces {
  return {
    offsets: Float64Array.from(pieces, ({ offset }) => offset),
    sizes: Float64Array.from(pieces, ({ size }) => size),
    phases: Float64Array.from(pieces, ({ phase }) => phase),
  };
}

/** The place of the first piece that ends behind an offset. */
export function pieceBehind({ offsets, sizes }: Pieces, offset: number): number {
  let low = 0;
  let high = offsets.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((offsets[middle] ?? 0) + (sizes[middle] ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Those that a view shows something of. */
export function piecesInView(pieces: Pieces, { from, to }: View): PhasedPiece[] {
  const { offsets, sizes, phases } = pieces;
  const found: PhasedPiece[] = [];
  for (let index = pieceBehind(pieces, from); index < offsets.length; index += 1) {
    const offset = offsets[index] ?? 0;
    if (offset >= to) break;
    found.push({ offset, size: sizes[index] ?? 0, phase: phases[index] ?? 0 });
  }
  return found;
}
