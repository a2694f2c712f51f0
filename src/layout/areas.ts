/** The shape of a region: which parts can be mapped (areas) and which cannot (gaps). */

import { describeValue, requireWhole, unusable } from "../arguments.ts";
import { hugebarError, type HugebarError } from "../errors.ts";
import { requireList, requirePowerOfTwo } from "./checks.ts";
import { formatSize, isAligned, isSize, NOT_A_SIZE } from "./sizes.ts";

/** A mappable part of a region: `offset` and `size` in bytes from the region's start. */
export interface Area {
  readonly offset: number;
  readonly size: number;
}

/** Areas whose numbers are sizes; whether they lie in the region, and in order, is another question. @throws ERR_ARGUMENT */
export function requireAreas(areas: unknown): asserts areas is readonly Area[] {
  requireList("areas", areas);
  for (const area of areas) {
    const offset: unknown = Reflect.get(area, "offset");
    const size: unknown = Reflect.get(area, "size");
    requireWhole("the offset of an area", offset, 0);
    requireWhole("the size of an area", size, 0, Number.MAX_SAFE_INTEGER - offset);
  }
}

/**
 * Checks the areas of a region and puts them in order: empty ones dropped, sorted by offset. The same areas in another
 * order give the same result. Areas that touch stay apart, since each is mapped by itself.
 *
 * @param regionSize bytes, 0 to 2^53 − 1
 * @param areas as the device listed them, in any order
 * @param pageSize bytes, a power of two; areas start and end on a page
 * @param region the region's name in messages: `2 of 0000:01:00.0`
 * @throws ERR_REGION_LAYOUT, naming the area by its place in `areas`: numbers that are no sizes, an area outside the
 *   region, off a page boundary, wrapping past 2^53 − 1 or overlapping another; ERR_ARGUMENT for what is no list of
 *   areas, or no page size
 *
 * @example
 * arrangeAreas(0x10000, [{ offset: 0x8000, size: 0x1000 }, { offset: 0, size: 0x2000 }], 4096);
 * // [{ offset: 0, size: 0x2000 }, { offset: 0x8000, size: 0x1000 }]
 */
export function arrangeAreas(
  regionSize: number,
  areas: readonly Area[],
  pageSize: number,
  region = "of this shape",
): Area[] {
  if (typeof region !== "string") throw unusable("region", region, "its name must be text");
  requirePowerOfTwo("page size", pageSize);
  requireList("areas", areas);
  const refuse = (problem: string): HugebarError => hugebarError("ERR_REGION_LAYOUT", { region, problem });

  if (!isSize(regionSize)) throw refuse(`its size (${hex(regionSize)}) ${NOT_A_SIZE}`);
  const sorted: (Area & { readonly index: number })[] = [];
  for (const [index, area] of areas.entries()) {
    const problem = problemOf(area, regionSize, pageSize);
    if (problem !== null) throw refuse(`${nameOf(index, area)} ${problem}`);
    if (area.size > 0) sorted.push({ offset: area.offset, size: area.size, index });
  }
  sorted.sort((a, b) => a.offset - b.offset);

  for (const [place, area] of sorted.entries()) {
    const before = sorted[place - 1];
    if (before !== undefined && before.offset + before.size > area.offset) {
      throw refuse(`${nameOf(area.index, area)} overlaps ${nameOf(before.index, before)}`);
    }
  }
  return sorted.map(({ offset, size }) => ({ offset, size }));
}

/**
 * The parts of a region that no area covers, in order.
 *
 * @param arranged areas from `arrangeAreas`
 * @throws ERR_ARGUMENT for what is no size, or no list of areas
 */
export function gapsOf(regionSize: number, arranged: readonly Area[]): Area[] {
  requireWhole("the size of a region", regionSize, 0);
  requireAreas(arranged);
  const gaps: Area[] = [];
  let end = 0;
  for (const { offset, size } of arranged) {
    if (offset > end) gaps.push({ offset: end, size: offset - end });
    end = offset + size;
  }
  if (regionSize > end) gaps.push({ offset: end, size: regionSize - end });
  return gaps;
}

function problemOf({ offset, size }: Area, regionSize: number, pageSize: number): string | null {
  if (!isSize(offset)) return `has an offset that ${NOT_A_SIZE}`;
  if (!isSize(size)) return `has a size that ${NOT_A_SIZE}`;
  if (size === 0) return null;
  if (!isSize(offset + size)) return "wraps: it ends past 2^53 − 1";
  if (offset + size > regionSize) return `lies outside the region (${hex(regionSize)})`;
  if (!isAligned(offset, pageSize) || !isAligned(size, pageSize)) {
    return `does not start and end on a page (${formatSize(pageSize)})`;
  }
  return null;
}

function nameOf(index: number, { offset, size }: Area): string {
  return `area ${index} (${hex(offset)}+${hex(size)})`;
}

/** Hexadecimal for whole numbers; for what a careless caller may give, the number as it is. */
function hex(n: number): string {
  return Number.isInteger(n) && n >= 0 ? `0x${n.toString(16)}` : describeValue(n);
}
