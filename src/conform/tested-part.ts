/** Which part of a region is tested. */

import type { Area } from "../layout/areas.ts";
import { leafSizes, type PagingModel } from "../layout/paging.ts";
import { roundDown, roundUp } from "../layout/sizes.ts";

/**
 * Of the areas the part that shows the largest leaf: two blocks of it or more, from its first boundary on, so that what points map
 * from the part's start is due whole leaves. Where a driver leaves out pages at a BAR's start, its area begins at none.
 *
 * @param physical of the region's first byte
 * @returns null where no area has room for two huge leaves
 */
export function testedPart(areas: readonly Area[], physical: bigint, model: PagingModel): Area | null {
  for (const leaf of leafSizes(model).filter((size) => size > model.pageSize)) {
    const [largest] = areas
      .map((area) => behindBoundary(area, physical, leaf))
      .map(({ offset, size }) => ({ offset, size: roundDown(size, model.pageSize) }))
      .filter(({ size }) => size >= 2 * leaf)
      .sort((a, b) => b.size - a.size);
    if (largest !== undefined) return largest;
  }
  return null;
}

function behindBoundary({ offset, size }: Area, physical: bigint, leaf: number): Area {
  const start = physical + BigInt(offset);
  const skipped = Number(roundUp(start, BigInt(leaf)) - start);
  return { offset: offset + skipped, size: size - skipped };
}
