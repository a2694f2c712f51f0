/** What the kernel counts for this process as memory is touched: the measured side of every proof. */

import { readFileSync } from "node:fs";
import { hugebarError } from "../errors.ts";

/** Differences between two readings tell what happened in between. */
export interface MemoryCounters {
  /** Page faults of this thread that needed no I/O, since it began. */
  readonly minorFaults: number;
  /** Bytes of page tables of this process (VmPTE). */
  readonly vmPteBytes: number;
}

/**
 * Reads the counters of this thread and its process.
 *
 * @throws ERR_SYSTEM where /proc does not show them
 */
export function readMemoryCounters(): MemoryCounters {
  return { minorFaults: readMinorFaults(), vmPteBytes: parseVmPte(read("/proc/self/status")) };
}

/**
 * The first of them alone, which takes fewer faults of its own to read.
 *
 * @throws ERR_SYSTEM where /proc does not show it
 */
export function readMinorFaults(): number {
  return parseMinorFaults(read("/proc/thread-self/stat"));
}

/** Field 10 of proc_pid_stat(5), `minflt`: the eighth after the name, which may itself hold spaces and brackets. */
export function parseMinorFaults(stat: string): number {
  const text =
    stat
      .slice(stat.lastIndexOf(")") + 1)
      .trim()
      .split(" ")[7] ?? "";
  if (!/^\d+$/.test(text)) throw missing("this thread's page faults", "/proc/thread-self/stat");
  return Number(text);
}

/** `VmPTE:` of proc_pid_status(5), in units of 1,024 bytes. */
export function parseVmPte(status: string): number {
  const kib = /^VmPTE:\s*(\d+) kB$/m.exec(status)?.[1];
  if (kib === undefined) throw missing("the size of this process's page tables", "/proc/self/status");
  return Number(kib) * 1024;
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    throw hugebarError("ERR_SYSTEM", { action: `read ${path}`, problem: "is /proc mounted?" }, error);
  }
}

function missing(what: string, path: string): Error {
  return hugebarError("ERR_SYSTEM", { action: `read ${what}`, problem: `${path} does not show it` });
}
