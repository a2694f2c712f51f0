/** The facts of one process that bear on its device mappings. */

import { statfsSync } from "node:fs";
import { join } from "node:path";
import { fieldOf, listFolder, readTextOrNull } from "./read-file.ts";

/** linux/magic.h */
const PROC_SUPER_MAGIC = 0x9fa0;

/** Whether the kernel writes what is there: a recorded machine's are files. */
export function isProcfs(proc: string): boolean {
  try {
    return statfsSync(proc).type === PROC_SUPER_MAGIC;
  } catch {
    return false;
  }
}

/** The processes there are, by number. */
export function listProcesses(proc: string): number[] {
  return listFolder(proc)
    .filter((name) => /^[1-9]\d{0,8}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/** The name of the process (`comm`), at most 15 bytes of the program's name; empty where it cannot be read. */
export function readCommand(proc: string, pid: number): string {
  return (readTextOrNull(join(proc, `${pid}/comm`), 64) ?? "").replace(/\n$/, "");
}

/** The process of a thread, which is its own where it is the first; 0 where the thread is gone. */
export function processOfThread(proc: string, tid: number): number {
  const text = readTextOrNull(join(proc, `${tid}/status`)) ?? "";
  return Number(/^\d{1,9}$/.exec(fieldOf(text, "Tgid") ?? "")?.[0] ?? 0);
}

export interface ProcessStatus {
  /** Bytes of page tables that the process really has; null where it cannot be read. */
  readonly vmPteBytes: number | null;
  /** `prctl(PR_SET_THP_DISABLE)`: null where the kernel does not tell (before 5.0) or it cannot be read. */
  readonly thpEnabled: boolean | null;
  /** Bytes of address space that are mapped; null where it cannot be read. */
  readonly vmSizeBytes: number | null;
}

export function readStatus(proc: string, pid: number): ProcessStatus {
  const text = readTextOrNull(join(proc, `${pid}/status`)) ?? "";
  const thp = fieldOf(text, "THP_enabled");
  return {
    vmPteBytes: bytesOf(text, "VmPTE"),
    thpEnabled: thp === "1" ? true : thp === "0" ? false : null,
    vmSizeBytes: bytesOf(text, "VmSize"),
  };
}

function bytesOf(status: string, key: string): number | null {
  const kib = /^(\d{1,12}) kB$/.exec(fieldOf(status, key) ?? "")?.[1];
  return kib === undefined ? null : Number(kib) * 1024;
}
