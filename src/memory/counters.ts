/** What the kernel counts for this process as memory is touched: the measured side of every proof. */

import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { hugebarError } from "../errors.ts";

const STAT = "/proc/thread-self/stat";
const FAULTS = "this thread's page faults";

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
  return parseMinorFaults(read(STAT));
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
  readMinorFaults();
  const fd = openSync(STAT, "r");
  const bytes = Buffer.alloc(1024);
  return {
    count: () => minorFaultsIn(bytes, readSync(fd, bytes, 0, bytes.length, 0)),
    close: () => closeSync(fd),
  };
}

const [SPACE, DIGIT, BRACKET] = [0x20, 0x30, 0x29];

/**
 * Field 10 of proc_pid_stat(5), `minflt`, in the first `length` bytes: the eighth after the name, which may itself hold spaces and
 * brackets.
 *
 * @throws ERR_SYSTEM where it is not there
 */
export function minorFaultsIn(bytes: Uint8Array, length: number): number {
  let at = bytes.lastIndexOf(BRACKET, length - 1) + 1;
  // A space stands before each field, the eighth too; what is behind `length` is of no line.
  for (let field = 0; field < 8; field += 1) {
    const space = bytes.indexOf(SPACE, at);
    if (space === -1 || space >= length) throw missing(FAULTS, STAT);
    at = space + 1;
  }
  const start = at;
  let faults = 0;
  for (; at < length; at += 1) {
    const digit = (bytes[at] ?? 0) - DIGIT;
    if (digit < 0 || digit > 9) break;
    faults = 10 * faults + digit;
  }
  if (at === start || (at < length && bytes[at] !== SPACE)) throw missing(FAULTS, STAT);
  return faults;
}

export function parseMinorFaults(stat: string): number {
  return minorFaultsIn(Buffer.from(stat, "latin1"), stat.length);
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
