/** Why a mapping falls short, or cannot be judged: stable codes, and for each a sentence that says what to do. */

import { hasHugePfnmap } from "../../rules/drivers.ts";
import type { FaultHandler } from "../../rules/handler.ts";

/** What the sentence of a reason may need. */
export interface ReasonFacts {
  /** The kernel's release. */
  readonly kernel: string;
  /** The architecture, as the kernel names it. */
  readonly arch: string;
  /** What /sys/kernel/mm/transparent_hugepage/enabled says. */
  readonly thp: string | null;
  /** How the mapping's address misses the boundary of its best leaf: `0x1ff000 past a 2 MiB boundary`. */
  readonly miss: string;
  /**
   * The address is aligned by the area's own size, as QEMU 9.2 to 10.2 do it; so it is where the kernel puts an area right
   * below a neighbour that is aligned better.
   */
  readonly byArea: boolean;
  /** How many mappings show the region. */
  readonly pieces: number;
  /** How the memory is reached: `vfio`, `sysfs`, `uio` or `mem`. */
  readonly path: string;
  readonly driver: string | null;
  /** The generation of the handler that lays the leaves. */
  readonly handler: FaultHandler;
}

const ADVICE = {
  misaligned: ({ miss, byArea }: ReasonFacts) =>
    `the mapping starts ${miss}: ${
      byArea
        ? "the program aligns areas at best, not regions"
        : "the program lets the kernel choose the address"
    }; QEMU 11 or newer aligns regions, and so does hugebar`,
  split: ({ pieces }: ReasonFacts) =>
    `${pieces} mappings show what one could, and no leaf crosses from one into the next: map the region at once, and leave its protection and advice alone`,
  "wrong-memory": ({ kernel, handler }: ReasonFacts) =>
    handler.mapsWrongMemory === true
      ? `Linux ${kernel} lays huge pages over a misaligned mapping that show other memory than that behind them, so that the program reads and writes in the wrong place: stop it, and update to Linux 6.12.29, 6.15 or newer`
      : `the version ${kernel} does not say whether its distribution has taken up that the physical address is checked ("vfio/pci: Fallback huge faults for unaligned pfn", Linux 6.12.10 and 6.13): without it, a misaligned mapping shows wrong memory; align the mapping, or use Linux 6.13 or newer`,
  "touch-order": ({ kernel, handler }: ReasonFacts) =>
    handler.dependsOnOrder === true
      ? `Linux ${kernel} gives a block of memory a huge page only if its first page is touched first, so what there is hangs on the order in which the program touches it: update to Linux 6.12.29, 6.14.7, 6.15 or newer`
      : `the version ${kernel} does not say whether its distribution has taken up that any first touch of a block brings a huge page ("vfio/pci: Align huge faults to order", Linux 6.12.29, 6.14.7 and 6.15): without it, what there is hangs on the order of touches; hugebar trace shows what the kernel does while the program starts`,
  "thp-gate": ({ kernel, thp }: ReasonFacts) =>
    thp === "never"
      ? `Linux ${kernel} gives device memory huge pages only if transparent huge pages are on, and they are set to never: write always to /sys/kernel/mm/transparent_hugepage/enabled, and restart the program`
      : `Linux ${kernel} gives device memory huge pages only if transparent huge pages are set to always (they are set to ${thp}) or the program asks for them with madvise(MADV_HUGEPAGE): write always to /sys/kernel/mm/transparent_hugepage/enabled, and restart the program`,
  "thp-process": () =>
    "transparent huge pages are turned off for the process (PR_SET_THP_DISABLE), which also turns them off for device memory: start it without, for example not from a parent that set it",
  "advice-never": () =>
    "the program forbids huge pages for the mapping (MADV_NOHUGEPAGE), and on every kernel that counts for device memory: have it leave that out",
  "no-huge-pfnmap": ({ path, kernel, driver, arch }: ReasonFacts) =>
    path === "vfio" && !hasHugeNow(arch)
      ? `Linux on ${arch} maps device memory with base pages only, up to the newest: there is nothing to do`
      : path === "vfio"
        ? `Linux ${kernel} maps ${driver === null ? "device memory" : `the memory of ${driver} devices`} with base pages only: use Linux 6.12 or newer (nvgrace-gpu: 6.19), built with transparent huge pages`
        : `the kernel maps ${NO_HUGE[path] ?? path} with base pages only: bind the device to vfio-pci and map its region`,
  "device-unknown": () =>
    "the kernel does not tell which device this is, and its size and group fit several or none: Linux 6.18 or newer tells",
  "physical-unknown": () =>
    "the physical address of the region is not in sysfs, so it is not known which virtual address would suit it: hugebar trace shows what the kernel really does",
  "kernel-unknown": ({ kernel }: ReasonFacts) =>
    `${kernel === "" ? "the kernel's version cannot be read" : `the version ${kernel} does not say what its distribution has changed`}, so it is not known whether device memory gets huge pages here: hugebar trace shows what the kernel really does`,
  "driver-unknown": ({ driver }: ReasonFacts) =>
    `${driver ?? "the driver"} is none of Linux's own drivers for PCI devices, so it is not known how it maps device memory: hugebar trace shows what the kernel really does`,
  "advice-unknown": ({ thp }: ReasonFacts) =>
    `with transparent huge pages set to ${thp ?? "what cannot be read"}, the program's own madvise(MADV_HUGEPAGE) decides, and whether it gave that may not be read (smaps): run hugebar as root`,
  "thp-unknown": () =>
    "/sys/kernel/mm/transparent_hugepage/enabled cannot be read, and on this kernel it decides about huge pages",
  "architecture-unknown": () =>
    "hugebar does not know the page tables of this machine, or cannot make out which they are, so it cannot tell their leaves",
} as const satisfies Record<string, (facts: ReasonFacts) => string>;

/** Whether any kernel has huge pages for device memory there. */
function hasHugeNow(arch: string): boolean {
  return hasHugePfnmap("999.0", arch === "" ? null : arch) !== false;
}

const NO_HUGE: Readonly<Record<string, string>> = {
  sysfs: "sysfs' resource files",
  uio: "uio devices",
  mem: "/dev/mem",
};

/** A stable code. */
export type Reason = keyof typeof ADVICE;

/** All codes, for the manual. */
export const REASONS: readonly Reason[] = Object.keys(ADVICE).filter(isReason);

function isReason(code: string): code is Reason {
  return Object.hasOwn(ADVICE, code);
}

/** What stands in the way and what to do about it, in one sentence without its full stop. */
export function adviceOf(reason: Reason, facts: ReasonFacts): string {
  return ADVICE[reason](facts);
}
