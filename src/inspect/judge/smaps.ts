/** Reads the advice given on mappings from `/proc/PID/smaps`. */

import { closeSync, constants, openSync, readSync } from "node:fs";
import type { Advice } from "./gate.ts";
import { parseHex } from "../proc/hex.ts";

const HEADER = /^([0-9a-f]{1,16})-[0-9a-f]{1,16} /;
const CHUNK = 64 * 1024;
/** As in maps-scanner.ts: a recorded machine may lie. smaps has some twenty lines for one of maps. */
const LARGEST_FILE = 2 ** 34;
const LONGEST_LINE = 4 * 4096 + 128;

/**
 * The advice on the mappings that start at the addresses given. Memory does not grow with the size of the file.
 * Throws what `fs` throws.
 */
export function readAdvice(path: string, starts: ReadonlySet<bigint>): Map<bigint, Advice> {
  const found = new Map<bigint, Advice>();
  let start: bigint | null = null;
  const take = (line: string): void => {
    const header = HEADER.exec(line)?.[1];
    if (header !== undefined) start = parseHex(header);
    if (start === null || !line.startsWith("VmFlags:") || !starts.has(start)) return;
    const flags = line.slice("VmFlags:".length).trim().split(" ");
    found.set(start, { huge: flags.includes("hg"), never: flags.includes("nh") });
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
