/** Mappings that are there as a strip. */

import type { LeafCount, LeafSpan } from "../../../layout/leaves.ts";
import type { Piece, StripInput } from "./drawing.ts";

/** The leaves of mappings and what they cost, as predictions and judgements give them. */
export interface LeavesOfPieces {
  readonly leaves: readonly LeafCount[];
  readonly faults: number;
  readonly pageTableBytes: number;
  /**
   * Lists in the order of the pieces, offsets counted from where each begins. One list may go over several pieces that
   * meet: the best there could be is often fewer mappings than there are.
   */
  readonly spans: readonly (readonly LeafSpan[])[];
}

/** @param pieces in ascending order */
export function mappedStrip(
  { name, about, mapped }: Pick<StripInput, "name" | "about" | "mapped">,
  pieces: readonly Piece[],
  { leaves, faults, pageTableBytes, spans }: LeavesOfPieces,
): StripInput {
  return {
    name,
    about,
    leaves,
    faults,
    pageTableBytes,
    spans: spansInRegion(pieces, spans),
    pieces: () => pieces,
    mapped,
  };
}

function spansInRegion(pieces: readonly Piece[], lists: readonly (readonly LeafSpan[])[]): LeafSpan[] {
  const spans: LeafSpan[] = [];
  let next = 0;
  for (const list of lists) {
    const start = pieces[next]?.offset ?? 0;
    let left = 0;
    for (const { offset, size, leaf } of list) {
      spans.push({ offset: start + offset, size, leaf });
      left += size;
    }
    for (; left > 0 && next < pieces.length; next += 1) left -= pieces[next]?.size ?? 0;
  }
  return spans;
}
