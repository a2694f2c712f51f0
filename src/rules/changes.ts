/** The changes to Linux that decide about leaves of device memory, and whether a release has them. */

import { parseRelease, type KernelRelease } from "./release.ts";

/** A change, by the first releases that have it. */
export interface Change {
  /** The series that brought it, 6_012 for 6.12. */
  readonly series: number;
  /** The first release candidate of that series with it; null where that is not known. */
  readonly candidate: number | null;
  /** The stable releases that took it up, by series. */
  readonly stable: ReadonlyMap<number, number>;
  /** From this patch of a series on it is not known whether it was taken up. */
  readonly unsure?: ReadonlyMap<number, number>;
  /** Somewhere between this series, which does not have it, and `series`, which does. */
  readonly after?: number;
}

export const changes = {
  /** "vfio/pci: implement huge_fault support" (f9e54c3a2f5b): device memory may have huge leaves at all. */
  hugeFaults: { series: 6_012, candidate: 1, stable: new Map() },
  /** "vfio/pci: Fallback huge faults for unaligned pfn" (09dfc8a5f2ce): the page frame is checked, not the address alone. */
  pageFrameChecked: { series: 6_013, candidate: 7, stable: new Map([[6_012, 10]]) },
  /** "vfio/pci: Align huge faults to order" (c1d9dac0db16): any first touch of a block brings its leaf, not its first page's alone. */
  anyTouch: {
    series: 6_015,
    candidate: 6,
    stable: new Map([
      [6_012, 29],
      [6_014, 7],
    ]),
  },
  /** "mm/huge_memory: bypass THP tuneables for huge pfnmap mappings": the setting is not asked about device memory. */
  settingIgnored: {
    series: 7_003,
    candidate: null,
    stable: new Map([
      [6_012, 115],
      [6_018, 54],
      [7_002, 8],
    ]),
    // 7.1 was still maintained then; 7.1.8 asks.
    unsure: new Map([[7_001, 9]]),
  },
  /** "vfio/nvgrace-gpu: Add support for huge pfnmap": before, its own memory was laid whole in base pages. */
  nvgraceHugeFaults: { series: 6_019, candidate: 1, stable: new Map() },
  /** "vfio/type1: Use mapping page mask for pfnmaps" (0fd06844de5d): mapping a BAR for DMA takes a step a leaf, not a page. */
  dmaByLeaf: { series: 6_015, candidate: 1, stable: new Map() },
  /** "prctl: extend PR_SET_THP_DISABLE to optionally exclude VM_HUGEPAGE": `THP_enabled` in status no longer tells it all. */
  exceptAdvised: { series: 6_018, candidate: 1, stable: new Map() },
  /** A VFIO device's folder in sysfs stands in the fdinfo of its file (`vfio-device-syspath`). */
  deviceInFdinfo: { series: 6_018, candidate: 1, stable: new Map() },
  /** arch/riscv/Kconfig selects ARCH_SUPPORTS_HUGE_PFNMAP: not in 6.12, and in 7.2. */
  riscvHugePfnmap: { series: 7_002, candidate: 1, stable: new Map(), after: 6_012 },
  /** "powerpc/64s: Add support for huge pfnmaps" (d1503aa9ab80): offered in March 2026, too late for 7.0, and in 7.2. */
  powerpcHugePfnmap: { series: 7_002, candidate: 1, stable: new Map(), after: 7_000 },
} as const satisfies Readonly<Record<string, Change>>;

/**
 * Whether a kernel has a change; null where its name does not decide, since others change kernels as well.
 *
 * @param kernel `uname -r`
 *
 * @example
 * hasChange("6.12.107", changes.settingIgnored); // false
 * hasChange("6.12.0-55.el10.x86_64", changes.settingIgnored); // null: Red Hat may have taken it up
 */
export function hasChange(kernel: string, change: Change): boolean | null {
  const release = parseRelease(kernel);
  if (release === null) return null;
  if (reached(release, change)) return true;
  return release.faithful && missing(release, change) ? false : null;
}

/** What cannot be taken away again by a distribution's own changes. */
function reached({ series, patch, candidate }: KernelRelease, change: Change): boolean {
  if (series !== change.series) {
    const taken = change.stable.get(series);
    return (
      series > change.series ||
      (taken !== undefined && candidate === null && patch !== null && patch >= taken)
    );
  }
  return candidate === null || (change.candidate !== null && candidate >= change.candidate);
}

function missing({ series, patch, candidate }: KernelRelease, change: Change): boolean {
  if (series === change.series) return change.candidate !== null;
  if (change.after !== undefined && series > change.after) return false;
  if (candidate !== null) return true;
  const unsure = change.unsure?.get(series);
  if (unsure !== undefined && (patch === null || patch >= unsure)) return false;
  // A series' newest release may have what its earlier ones had not.
  return patch !== null || !change.stable.has(series);
}
