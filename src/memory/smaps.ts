/** Reads from `/proc/PID/smaps`, a process's own or another's, what the kernel says of mappings: the advice on them, and whether they may have huge leaves. */

import { closeSync, constants, openSync, readSync } from "node:fs";

/** What smaps tells of one mapping. */
export interface SmapsEntry {
  /** `hg` in `VmFlags`: MADV_HUGEPAGE. */
  readonly huge: boolean;
  /** `nh`: MADV_NOHUGEPAGE. */
  readonly never: boolean;
  /** `THPeligible`; null on a kernel that does not print it (before 4.20). */
  readonly eligible: boolean | null;
}

const HEADER = /^([0-9a-f]{1,16})-[0-9a-f]{1,16} /;
const CHUNK = 64 * 1024;
/** As in maps-scanner.ts: a recorded machine may lie. smaps has some twenty lines for one of maps. */
const LARGEST_FILE = 2 ** 34;
const LONGEST_LINE = 4 * 4096 + 128;

/**
 * What is said of the mappings that start at the addresses given. Memory does not grow with the size of the file.
 * Throws what `fs` throws.
 */
export function readSmaps(path: string, starts: ReadonlySet<bigint>): Map<bigint, SmapsEntry> {
  const found = new Map<bigint, SmapsEntry>();
  let start: bigint | null = null;
  let eligible: boolean | null = null;
  const take = (line: string): void => {
    const header = HEADER.exec(line)?.[1];
    if (header !== undefined) {
      start = BigInt(`0x${header}`);
      eligible = null;
    }
    if (start === null || !starts.has(start)) return;
    const told = /^THPeligible:\s*([01])\s*$/.exec(line)?.[1];
    if (told !== undefined) eligible = told === "1";
    // The last line of an entry.
    if (!line.startsWith("VmFlags:")) return;
    const flags = line.slice("VmFlags:".length).trim().split(" ");
    found.set(start, { huge: flags.includes("hg"), never: flags.includes("nh"), eligible });
  };

  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const buffer = Buffer.allocUnsafe(CHUNK);
    let unfinished = "";
    for (let total = 0; total < LARGEST_FILE && found.size < starts.size;) {
      const bytes = readSync(fd, buffer, 0, CHUNK, null);
      if (bytes === 0) break;
      total += bytes;
      const lines = (unfinished + buffer.toString("latin1", 0, bytes)).split("\n");
      unfinished = (lines.pop() ?? "").slice(0, LONGEST_LINE);
      lines.forEach(take);
    }
    take(unfinished);
  } finally {
    closeSync(fd);
  }
  return found;
}
