/** Whether the kernel gives a mapping huge leaves at a suitable address, and what stands in the way if not. */

import { hugePfnmapSupport, thpGate } from "../../layout/thp-gate.ts";
import type { DeviceFile } from "../proc/device-file.ts";
import { makesUpRegions } from "../identify/identify.ts";
import type { Machine } from "../proc/machine.ts";
import type { Reason } from "./reasons.ts";

/** What `VmFlags` in smaps tells of the advice given on a mapping; null where smaps was not read. */
export interface Advice {
  /** `hg`: MADV_HUGEPAGE. */
  readonly huge: boolean;
  /** `nh`: MADV_NOHUGEPAGE. */
  readonly never: boolean;
}

export interface Gate {
  readonly gate: "open" | "closed" | "unknown";
  /** Why it is not open. */
  readonly cause: Reason | null;
}

const OPEN: Gate = { gate: "open", cause: null };

function closed(cause: Reason): Gate {
  return { gate: "closed", cause };
}

function unknown(cause: Reason): Gate {
  return { gate: "unknown", cause };
}

/** nvgrace-gpu laid whole mappings with base pages before "vfio/nvgrace-gpu: Add support for huge pfnmap". */
const NVGRACE_HUGE_SINCE = 6_019;

/** @param thpEnabled what PR_SET_THP_DISABLE left on for the process; null where that is not known */
export function gateOf(
  machine: Machine,
  kind: DeviceFile["kind"],
  driver: string | null,
  thpEnabled: boolean | null,
  advice: Advice | null,
): Gate {
  const { kernel, thp: enabled } = machine;
  // An emulated device is judged as the device it stands for.
  if (kind === "vfio-user") return OPEN;
  // remap_pfn_range lays base pages at once, for sysfs (drivers/pci/mmap.c), uio and /dev/mem alike.
  if (kind !== "vfio-group" && kind !== "vfio-cdev") return closed("no-huge-pfnmap");
  if (machine.withoutThp) return closed("no-huge-pfnmap");
  const support = hugePfnmapSupport(kernel);
  if (support === "absent") return closed("no-huge-pfnmap");
  if (support === "unknown" || (makesUpRegions({ driver }) && machine.kernelVersion < NVGRACE_HUGE_SINCE)) {
    return unknown("kernel-unknown");
  }
  const matters = settingMatters(kernel);
  if (matters && advice?.never === true) return closed("thp-gate");
  switch (thpGate({ kernel, enabled, advised: advice?.huge ?? null })) {
    case "open":
      // Not seen yet on a kernel where the setting no longer counts, so not claimed either way there.
      if (thpEnabled === false) return matters ? closed("thp-process") : unknown("thp-process");
      return OPEN;
    case "closed":
      return closed("thp-gate");
    case "absent":
      return closed("no-huge-pfnmap");
    case "unknown":
      if (enabled === null) return unknown("thp-unknown");
      return unknown(adviceMatters(machine) && advice === null ? "advice-unknown" : "kernel-unknown");
  }
}

/** Whether this kernel asks the transparent-huge-page setting about device memory at all. */
function settingMatters(kernel: string): boolean {
  return thpGate({ kernel, enabled: "never", advised: false }) !== "open";
}

/**
 * Whether the verdict hangs on the advice given on a mapping, so that smaps is worth reading. Not for less: the kernel
 * walks all page tables of the process for it, which takes seconds for a large virtual machine.
 */
export function adviceMatters({ kernel, thp: enabled }: Machine): boolean {
  const gates = [true, false].map((advised) => thpGate({ kernel, enabled, advised }));
  return gates[0] !== gates[1];
}
