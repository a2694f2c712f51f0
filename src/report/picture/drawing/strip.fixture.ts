/** Regions and strips for the tests of renderers. */

import { countLeaves, faultsOf, type LeafSpan } from "../../../layout/leaves.ts";
import type { DrawnRegion, StripInput } from "./drawing.ts";

/** A region of nothing but a size, at a multiple of it. */
export function testRegion(size: number, title = "Region 2 of 0000:01:00.0"): DrawnRegion {
  return { title, notes: [], size, physical: 0n, gapName: "gap" };
}

/** A strip of these spans, each a mapping of its own at an address congruent with offset 0. */
export function testStrip(name: string, spans: readonly LeafSpan[]): StripInput {
  const leaves = countLeaves(spans);
  return {
    name,
    about: `about ${name}`,
    leaves,
    faults: faultsOf(leaves),
    pageTableBytes: 8192,
    spans,
    pieces: () => spans.map(({ offset, size }) => ({ offset, size, address: BigInt(offset) })),
    mapped: false,
  };
}
