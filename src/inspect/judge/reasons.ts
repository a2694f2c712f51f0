/** Why a mapping falls short, or cannot be judged: stable codes, and for each a sentence that says what to do. */

/** What the sentence of a reason may need. */
export interface ReasonFacts {
  /** The kernel's release. */
  readonly kernel: string;
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
  "thp-gate": ({ kernel, thp }: ReasonFacts) =>
    thp === "never"
      ? `Linux ${kernel} gives device memory huge pages only if transparent huge pages are on, and they are set to never: write always to /sys/kernel/mm/transparent_hugepage/enabled, and restart the program`
      : `Linux ${kernel} gives device memory huge pages only if transparent huge pages are set to always (they are set to ${thp}) or the program asks for them with madvise(MADV_HUGEPAGE): write always to /sys/kernel/mm/transparent_hugepage/enabled, and restart the program`,
  "thp-process": () =>
    "transparent huge pages are turned off for the process (PR_SET_THP_DISABLE), which also turns them off for device memory: start it without, for example not from a parent that set it",
  "advice-never": () =>
    "the program forbids huge pages for the mapping (MADV_NOHUGEPAGE), and on every kernel that counts for device memory: have it leave that out",
  "no-huge-pfnmap": ({ path, kernel, driver }: ReasonFacts) =>
    path === "vfio"
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
    "hugebar knows the page tables of x86-64 and arm64 only, and this machine's are others or cannot be made out",
} as const satisfies Record<string, (facts: ReasonFacts) => string>;

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
