/** The shapes of regions that are measured and counted. */

import type { Area } from "../src/layout/areas.ts";
import { GIB } from "../src/layout/sizes.ts";

/** The region that is mapped and unmapped. */
export const REGION_SIZE = 256 * GIB;

/**
 * `count` areas, spread evenly: each starts at a multiple of the region's share of it, rounded down to a power of two,
 * and takes half of that, so that a gap follows. One area alone covers the whole region.
 */
export function evenAreas(regionSize: number, count: number): Area[] {
  if (count === 1) return [{ offset: 0, size: regionSize }];
  const spacing = 2 ** Math.floor(Math.log2(regionSize / count));
  return Array.from({ length: count }, (_, index) => ({ offset: index * spacing, size: spacing / 2 }));
}
