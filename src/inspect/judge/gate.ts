/** Whether the kernel gives a mapping huge leaves at a suitable address, and what stands in the way if not. */

import { gateByRule, type GateCause, type ThpState } from "../../rules/gate.ts";
import type { MappingWay } from "../../rules/drivers.ts";
import type { DeviceFile } from "../proc/device-file.ts";
import type { Machine } from "../proc/machine.ts";

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
  readonly cause: GateCause | null;
}

const WAYS: Readonly<Record<DeviceFile["kind"], MappingWay>> = {
  "vfio-group": "vfio",
  "vfio-cdev": "vfio",
  sysfs: "sysfs",
  uio: "uio",
  mem: "mem",
  "vfio-user": "vfio-user",
};

/** @param thpEnabled what PR_SET_THP_DISABLE left on for the process; null where that is not known */
export function gateOf(
  machine: Machine,
  kind: DeviceFile["kind"],
  driver: string | null,
  region: number | null,
  thpEnabled: boolean | null,
  advice: Advice | null,
): Gate {
  const { gate, cause } = gateByRule({
    ...stateOf(machine),
    way: WAYS[kind],
    driver,
    region,
    advised: advice?.huge ?? null,
    forbidden: advice?.never ?? false,
    disabled: thpEnabled === false ? "all" : null,
  });
  return { gate: gate === "absent" ? "closed" : gate, cause };
}

function stateOf({ kernel, arch, thp, withoutThp }: Machine): Omit<ThpState, "advised"> {
  return { kernel, arch: arch === "" ? null : arch, enabled: thp, withoutThp };
}

/**
 * Whether the verdict hangs on the advice given on a mapping, so that smaps is worth reading. Not for less: the kernel
 * walks all page tables of the process for it, which takes seconds for a large virtual machine.
 */
export function adviceMatters(machine: Machine): boolean {
  const gates = [true, false].map((advised) => gateByRule({ ...stateOf(machine), advised }).gate);
  return gates[0] !== gates[1];
}
