/** What the kernel counts for this process as memory is touched: the measured side of every proof. */

import { closeSync, openSync, readFileSync, readSync } from "node:fs";
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

export interface MinorFaultCounter {
  /** Page faults of the thread that opened it which needed no I/O, since it began. Takes hardly any to read. */
  count(): number;
  close(): void;
}

/**
 * The same, for who reads it time and again: into one buffer and into no text, since memory that V8 takes anew is a fault each page.
 *
 * @throws ERR_SYSTEM where /proc does not show it
 */
export function openMinorFaults(): MinorFaultCounter {
  const path = "/proc/thread-self/stat";
  readMinorFaults();
  const fd = openSync(path, "r");
  const bytes = Buffer.alloc(1024);
  return {
    count: () => minorFaultsIn(bytes, readSync(fd, bytes, 0, bytes.length, 0)),
    close: () => closeSync(fd),
  };
}

const [SPACE, DIGIT, BRACKET] = [0x20, 0x30, 0x29];

/** As `parseMinorFaults`, of the first `length` bytes. */
export function minorFaultsIn(bytes: Uint8Array, length: number): number {
  let at = bytes.lastIndexOf(BRACKET, length - 1) + 1;
  // A space stands before each field, the eighth too.
  for (let field = 0; field < 8; field += 1) at = bytes.indexOf(SPACE, at) + 1;
  let faults = 0;
  for (let digit = (bytes[at] ?? 0) - DIGIT; digit >= 0 && digit <= 9; digit = (bytes[at] ?? 0) - DIGIT) {
    faults = 10 * faults + digit;
    at += 1;
  }
  return faults;
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
