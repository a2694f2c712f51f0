/** How nvgrace-gpu gives a superchip's memory as regions (drivers/vfio/pci/nvgrace-gpu/main.c). */

import { nextPowerOfTwo } from "../layout/sizes.ts";

/** Bytes. */
const RESMEM_SIZE = 2 ** 30;
const MEMBLK_SIZE = 2 ** 29;

export interface OwnRegion {
  readonly index: 2 | 4;
  /** Where it lies in the memory. */
  readonly offset: number;
  /** Of its one area: bytes of memory. */
  readonly length: number;
  /** The region's, as a BAR has it: a power of two. */
  readonly size: number;
}

/**
 * The regions, by what the device is: all of the memory in one (GB200), or with a part of it kept apart for MIG (GH200,
 * nvgrace_gpu_init_nvdev_struct). Which of them, a register of the device says, which sysfs does not show.
 *
 * @param size of the memory, in bytes
 */
export function ownRegions(size: number): {
  readonly whole: readonly OwnRegion[];
  readonly split: readonly OwnRegion[];
} {
  const usable = Math.floor((size - RESMEM_SIZE) / MEMBLK_SIZE) * MEMBLK_SIZE;
  return {
    whole: [region(4, 0, size)],
    split: usable <= 0 ? [] : [region(4, 0, usable), region(2, usable, size - usable)],
  };
}

function region(index: OwnRegion["index"], offset: number, length: number): OwnRegion {
  return { index, offset, length, size: nextPowerOfTwo(length) };
}
