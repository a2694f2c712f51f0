/** The kernel's own word, for tests inside the guest. */

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

/**
 * Switches a module's debug lines on or off. vfio_pci_core's line for each huge fault is rate-limited (10 in 5
 * seconds, then counted as "callbacks suppressed"): a kprobe counts many faults, these lines show a few.
 */
export function setDynamicDebug(module: string, on: boolean): void {
  writeFileSync("/proc/dynamic_debug/control", `module ${module} ${on ? "+" : "-"}p`);
}

/** The number of places in a module whose debug lines are switched on. */
export function dynamicDebugCount(module: string): number {
  const lines = readFileSync("/proc/dynamic_debug/control", "utf8").split("\n");
  return lines.filter((line) => line.includes(`[${module}]`) && / =p\w* /.test(line)).length;
}

/** The lines in the kernel's log, the oldest first. */
export function kernelLog(): string[] {
  const { status, stdout } = spawnSync("dmesg", [], { encoding: "utf8", maxBuffer: 2 ** 26 });
  if (status !== 0) throw new Error("dmesg failed");
  return stdout.split("\n");
}
