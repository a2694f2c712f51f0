/** What the kernel counts of a virtual machine monitor's guests, without reading any table. */

import { join } from "node:path";
import type { LeafCount } from "../../layout/leaves.ts";
import type { MachineRoots } from "../../vfio/device-uses.ts";
import { listFolder, readTextOrNull } from "./read-file.ts";

/** Leaves of one virtual machine's second stage, its memory included. */
export interface GuestCounters {
  readonly leaves: readonly LeafCount[];
}

/** x86-64's (arch/x86/kvm/x86.c, kvm_vm_stats_desc), large to small. */
const COUNTERS = [
  ["pages_1g", 2 ** 30],
  ["pages_2m", 2 ** 21],
  ["pages_4k", 4096],
] as const;

/** The virtual machines that the process made, by `/sys/kernel/debug/kvm/PID-FD`; none where debugfs may not be read. */
export function readGuestCounters({ sys }: MachineRoots, pid: number): GuestCounters[] {
  const folder = join(sys, "kernel/debug/kvm");
  return listFolder(folder)
    .filter((name) => name.startsWith(`${pid}-`))
    .flatMap((name) => {
      const leaves: LeafCount[] = [];
      for (const [counter, size] of COUNTERS) {
        const text = readTextOrNull(join(folder, name, counter), 64)?.trim() ?? "";
        // arm64 has no such counters.
        if (!/^\d{1,15}$/.test(text)) return [];
        if (text !== "0") leaves.push({ size, count: Number(text) });
      }
      return [{ leaves }];
    });
}

/** Second-stage tables of a control group: all its processes' taken together. */
export interface SecondStageUse {
  /** Its path below the root of the control groups. */
  readonly controlGroup: string;
  readonly bytes: number;
}

/** That of the process's control group (`sec_pagetables` of memory.stat); null where that cannot be read. */
export function readSecondStageUse({ proc, sys }: MachineRoots, pid: number): SecondStageUse | null {
  const group = /^0::(\/.*)$/m.exec(readTextOrNull(join(proc, `${pid}/cgroup`)) ?? "")?.[1];
  if (group === undefined || group.split("/").includes("..")) return null;
  const stat = readTextOrNull(join(sys, "fs/cgroup", group, "memory.stat")) ?? "";
  const bytes = /^sec_pagetables (\d{1,15})$/m.exec(stat)?.[1];
  return bytes === undefined ? null : { controlGroup: group, bytes: Number(bytes) };
}
