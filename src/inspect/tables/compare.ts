/** Holds leaves that are there against those that the kernel's rules give. */

import type { LeafSpan } from "../../layout/leaves.ts";
import type { ReadLeaves } from "./readings.ts";

/** How what is there differs from the rule, in bytes of what has been touched. */
export interface Difference {
  /** Bytes that have a smaller leaf than the rule gives; null where the leaves are too scattered to say. */
  readonly smallerBytes: number | null;
  /** Bytes that have a larger one. */
  readonly largerBytes: number | null;
}

export const NO_DIFFERENCE: Difference = { smallerBytes: 0, largerBytes: 0 };

/** @param spans what the rule gives for the same stretch, in order */
export function compareLeaves({ runs, leaves }: ReadLeaves, spans: readonly LeafSpan[]): Difference {
  if (runs === null) return compareCounts(leaves, spans);
  let smallerBytes = 0;
  let largerBytes = 0;
  let next = 0;
  for (const { offset, leaf, count } of runs) {
    const end = offset + leaf * count;
    while (next > 0 && (spans[next]?.offset ?? 0) > offset) next -= 1;
    for (; next < spans.length; next += 1) {
      const span = spans[next];
      if (span === undefined || span.offset >= end) break;
      const bytes = Math.min(end, span.offset + span.size) - Math.max(offset, span.offset);
      if (bytes <= 0) continue;
      if (leaf < span.leaf) smallerBytes += bytes;
      if (leaf > span.leaf) largerBytes += bytes;
    }
    next = Math.max(0, next - 1);
  }
  return { smallerBytes, largerBytes };
}

/** Where it is not known where they lie: of a size that the rule has nowhere, that much is certain. */
function compareCounts(leaves: ReadLeaves["leaves"], spans: readonly LeafSpan[]): Difference {
  const ruled = spans.map(({ leaf }) => leaf);
  const smallest = Math.min(...ruled);
  const largest = Math.max(...ruled);
  const bytes = (wanted: (size: number) => boolean): number =>
    leaves.reduce((sum, { size, count }) => sum + (wanted(size) ? size * count : 0), 0);
  const smaller = bytes((size) => size < smallest);
  const larger = bytes((size) => size > largest);
  const isOneSize = smallest === largest;
  return {
    smallerBytes: isOneSize || smaller > 0 ? smaller : null,
    largerBytes: isOneSize || larger > 0 ? larger : null,
  };
}
