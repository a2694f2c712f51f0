/** How the virtual address of a mapping is chosen. */

import type { Area } from "./areas.ts";
import { GIB, largestPowerOfTwoIn, nextPowerOfTwo } from "./sizes.ts";

/**
 * - `none`: wherever the kernel likes; what a plain `mmap` per area gets.
 * - `area`: each area aligned by its own size; what QEMU 9.2 to 10.2 did.
 * - `region`: the whole region aligned, its areas at their offsets; what QEMU does since.
 * - `physical`: as `region`, but congruent with the region's physical address.
 */
export type Strategy = "none" | "area" | "region" | "physical";

export const strategies = ["none", "area", "region", "physical"] as const satisfies readonly Strategy[];

/** 1 GiB: no architecture has larger leaves for device memory (ARCH_SUPPORTS_PUD_PFNMAP is x86-64's alone). */
export const LARGEST_ALIGNMENT = GIB;

/**
 * The alignment of a whole region: its size rounded up to a power of two, at most 1 GiB.
 *
 * @param size the region's size in bytes
 */
export function regionAlignment(size: number): number {
  return Math.min(nextPowerOfTwo(size), LARGEST_ALIGNMENT);
}

/**
 * The alignment of an area by itself: the largest power of two that divides its size, at most 1 GiB.
 *
 * @param size the area's size in bytes, at least 1
 */
export function areaAlignment(size: number): number {
  return Math.min(largestPowerOfTwoIn(size), LARGEST_ALIGNMENT);
}

/**
 * The alignment in bytes that a strategy promises to a region, never below the page size. Where each area is mapped by
 * itself (`none`, `area`), it is the smallest of theirs.
 *
 * @param region its size, and its areas as `arrangeAreas` gave them
 * @param pageSize bytes, a power of two
 */
export function strategyAlignment(
  strategy: Strategy,
  region: { readonly size: number; readonly areas: readonly Area[] },
  pageSize: number,
): number {
  switch (strategy) {
    case "none":
      return pageSize;
    case "area": {
      if (region.areas.length === 0) return pageSize;
      // Not Math.min(...): a hundred thousand areas are more than a call may have arguments.
      const smallest = region.areas.reduce(
        (least, { size }) => Math.min(least, areaAlignment(size)),
        Infinity,
      );
      return Math.max(smallest, pageSize);
    }
    case "region":
    case "physical":
      return Math.max(regionAlignment(region.size), pageSize);
  }
}
