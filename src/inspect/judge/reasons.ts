/** Why a mapping falls short, or cannot be judged: stable codes, and for each a sentence that says what to do. */

import { changes, hasChange } from "../../rules/changes.ts";
import { hasHugePfnmap } from "../../rules/drivers.ts";
import { alignCounsel, settingCounsel, withoutHugeCounsel } from "./counsel.ts";
import { withOwnMiss } from "./own-miss.ts";
import type { ReasonFacts } from "./reason-facts.ts";

/** The beginning of what a version does not tell. */
function versionOf(kernel: string): string {
  return kernel === ""
    ? "the kernel's version cannot be read, which may say"
    : `the version ${kernel} does not say`;
}

const ADVICE = {
  misaligned: (facts: ReasonFacts) => withOwnMiss(facts.miss, alignCounsel(facts)),
  split: ({ pieces }: ReasonFacts) =>
    `${pieces} mappings show what one could, and no leaf crosses from one into the next: map the region at once, and leave its protection and advice alone`,
  "wrong-memory": ({ kernel, arch, handler, isWrong }: ReasonFacts) =>
    handler.mapsWrongMemory === true
      ? `Linux ${kernel} lays huge pages over a misaligned mapping that show other memory than that behind them, ${isWrong ? "so that the program reads and writes" : "and where it gives this one any, the program reads and writes"} in the wrong place: stop it, and update to Linux 6.12.29, 6.14.7, 6.15 or newer`
      : `${versionOf(kernel)} whether its distribution has ${hasHugePfnmap(kernel, arch === "" ? null : arch) === true ? "taken up" : "brought huge pages for device memory to it, and if so"} that the physical address is checked ("vfio/pci: Fallback huge faults for unaligned pfn", Linux 6.12.10 and 6.13): huge pages without it show wrong memory where a mapping is misaligned; align the mapping, or use Linux 6.12.29, 6.14.7, 6.15 or newer`,
  "touch-order": ({ kernel, handler }: ReasonFacts) =>
    handler.dependsOnOrder === true
      ? `Linux ${kernel} gives a block of memory a huge page only if its first page is touched first, so what there is hangs on the order in which the program touches it: update to Linux 6.12.29, 6.14.7, 6.15 or newer`
      : `${versionOf(kernel)} whether its distribution has taken up that any first touch of a block brings a huge page ("vfio/pci: Align huge faults to order", Linux 6.12.29, 6.14.7 and 6.15): without it, what there is hangs on the order of touches; hugebar trace shows what the kernel does while the program starts`,
  "thp-gate": settingCounsel,
  "thp-process": () =>
    "transparent huge pages are turned off for the process (PR_SET_THP_DISABLE), which also turns them off for device memory: start it without, for example not from a parent that set it",
  "advice-never": () =>
    "the program forbids huge pages for the mapping (MADV_NOHUGEPAGE), and on every kernel that counts for device memory: have it leave that out",
  "no-huge-pfnmap": withoutHugeCounsel,
  "device-unknown": ({ couldBe, blind, kernel, path }: ReasonFacts) => {
    const isNone = couldBe.length === 0;
    const which = isNone
      ? "of the devices that it may be of, sysfs tells of none whose memory fits it"
      : `it is one of ${couldBe.join(", ")}`;
    if (path !== "vfio") return isNone ? which : `${which}, and nothing tells which`;
    if (blind)
      return `${which}, and the process's open files, which tell more, may not be looked at: run hugebar with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH`;
    return hasChange(kernel, changes.deviceInFdinfo) === true
      ? isNone
        ? which
        : `${which}, and nothing tells which`
      : `${which}, and this kernel does not tell which: Linux 6.18 or newer does`;
  },
  "physical-unknown": () =>
    "the physical address of the region is not in sysfs, so it is not known which virtual address would suit it: hugebar trace shows what the kernel really does",
  "kernel-unknown": ({ kernel }: ReasonFacts) =>
    `${kernel === "" ? "the kernel's version cannot be read" : `the version ${kernel} does not decide it`}, so it is not known whether device memory gets huge pages here: hugebar trace shows what the kernel really does`,
  "driver-unknown": ({ driver }: ReasonFacts) => {
    if (driver === null)
      return "the file offset is a physical address, which is not vfio-pci's way, and sysfs does not tell the device's driver: hugebar trace shows what the kernel really does";
    return driver === "mdev"
      ? "how its memory is mapped, the driver behind the device decides, which is none of VFIO's own: hugebar trace shows what the kernel really does"
      : `${driver} is none of Linux's own drivers for PCI devices, so it is not known how it maps device memory: hugebar trace shows what the kernel really does`;
  },
  "advice-unknown": ({ thp }: ReasonFacts) =>
    `with transparent huge pages set to ${thp ?? "what cannot be read"}, the program's own madvise(MADV_HUGEPAGE) decides, and smaps, which shows whether it gave that, could not be read: run hugebar with CAP_SYS_PTRACE`,
  "thp-unknown": () =>
    "/sys/kernel/mm/transparent_hugepage/enabled cannot be read, and on this kernel it decides about huge pages",
  "architecture-unknown": () =>
    "hugebar does not know the page tables of this machine, or cannot make out which they are, so it cannot tell their leaves",
} as const satisfies Record<string, (facts: ReasonFacts) => string>;

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
