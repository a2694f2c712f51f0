/** The kernel's own word, for tests inside the guest. */

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";

/**
 * Switches a module's debug lines on or off. vfio_pci_core's line for each huge fault is rate-limited (10 in 5
 * seconds, then counted as "callbacks suppressed"): a kprobe counts many faults, these lines show a few.
 */
export function setDynamicDebug(module: string, on: boolean): void {
  writeFileSync("/proc/dynamic_debug/control", `module ${module} ${on ? "+" : "-"}p`);
}

/** The kernel's DEFAULT_RATELIMIT_INTERVAL is five seconds of its own ticks, and a few to be sure. */
const rateLimitSeconds = 5.2;

/**
 * Waits until as many of these lines may be printed as ever. The kernel counts in jiffies, which fall behind on a busy host
 * where they are counted by periodic ticks: then these are waited for, and not a time.
 */
export async function untilLinesAreFree(): Promise<void> {
  const resolution = Number(timerList(/^\s*\.resolution:\s+(\d+) nsecs$/m));
  if (resolution < 1000) return wait(rateLimitSeconds * 1000);
  const jiffies = (): number => Number(timerList(/^jiffies:\s+(\d+)$/m));
  const until = jiffies() + (rateLimitSeconds * 1e9) / resolution;
  while (jiffies() < until) await wait(100);
}

/** What /proc/timer_list says where it is like the pattern. */
function timerList(pattern: RegExp): string {
  const [, value] = pattern.exec(readFileSync("/proc/timer_list", "utf8")) ?? [];
  if (value === undefined) throw new Error(`/proc/timer_list has nothing like ${pattern}`);
  return value;
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
