/** The system calls that QEMU makes for a region, as its source has them: what hugebar's are counted against. */

import type { Area } from "../src/layout/areas.ts";

/**
 * The calls of mapping a region and unmapping it, in order: `vfio_region_mmap()` since 2026 ("Align the mmap for more
 * efficient mapping in the kernel") and `vfio_region_finalize()`, both in hw/vfio/region.c. The calls that unmap nothing
 * are calls too: QEMU makes them.
 *
 * @param areas sorted by offset
 */
export function qemuSequence(regionSize: number, areas: readonly Area[]): string[] {
  const last = areas.at(-1);
  const end = last === undefined ? 0 : last.offset + last.size;
  return [
    "mmap", // the reservation
    "munmap", // its head
    "munmap", // its tail
    ...areas.flatMap(() => [
      "munmap", // the gap before the area, of 0 bytes too
      "mmap",
    ]),
    ...(end < regionSize ? ["munmap"] : []),
    ...areas.map(() => "munmap"),
  ];
}
