/**
 * Where the addresses behind a strip cross the boundaries of leaves: virtual ones and physical ones. A leaf needs both
 * at the same place, so the picture shows at a glance why there is one or none. Arithmetic only: it runs in the browser.
 */

import { itemsInView } from "./placing.ts";
import type { View } from "./view.ts";

/** A mapped part of a region, with its address as a remainder: what it is past a multiple of the largest leaf. */
export interface PhasedPiece {
  readonly offset: number;
  readonly size: number;
  readonly phase: number;
}

/** Places on a row of pixels. */
export interface Boundaries {
  /** Virtual and physical boundaries meet here. */
  readonly meeting: readonly number[];
  /** A virtual boundary alone. */
  readonly virtual: readonly number[];
  /** A physical boundary alone. */
  readonly physical: readonly number[];
}

/** Lines nearer to one another than this many pixels are a grey surface. */
const NEAREST = 8;

/**
 * The boundaries of every leaf size that have room between them.
 *
 * @param physicalPhase the physical address of offset 0 past a multiple of the largest leaf; null where unknown
 */
export function boundariesIn(
  pieces: readonly PhasedPiece[],
  physicalPhase: number | null,
  leafSizes: readonly number[],
  view: View,
  width: number,
): Boundaries {
  const scale = width / (view.to - view.from);
  const meeting: number[] = [];
  const virtual: number[] = [];
  const physical: number[] = [];
  const leaves = leafSizes.filter((leaf) => leaf * scale >= NEAREST);
  for (const piece of leaves.length === 0 ? [] : itemsInView(pieces, view)) {
    const start = Math.max(piece.offset, Math.ceil(view.from));
    const end = Math.min(piece.offset + piece.size, view.to);
    for (const leaf of leaves) {
      const ownPhase = piece.phase + (start - piece.offset);
      const isCongruent = physicalPhase !== null && (physicalPhase + start - ownPhase) % leaf === 0;
      addLines(isCongruent ? meeting : virtual, ownPhase, leaf);
      if (physicalPhase !== null && !isCongruent) addLines(physical, physicalPhase + start, leaf);
    }
    function addLines(lines: number[], phase: number, leaf: number): void {
      for (let offset = start + ((leaf - (phase % leaf)) % leaf); offset <= end; offset += leaf) {
        lines.push((offset - view.from) * scale);
      }
    }
  }
  return { meeting, virtual, physical };
}
