/** One line of `/proc/PID/maps`: a virtual memory area. */

import { MAX_ADDRESS } from "./hex.ts";
import { parseHex } from "./hex.ts";

/** What a line of `/proc/PID/maps` says. */
export interface Vma {
  readonly start: bigint;
  readonly end: bigint;
  /** `end - start`, in bytes. */
  readonly size: number;
  /** For example `rw-s`. */
  readonly perms: string;
  /** The file offset of the first byte, as the kernel prints it: a driver may have written over it. */
  readonly offset: bigint;
  /** The file system's device, `major:minor` in hexadecimal, as printed. */
  readonly dev: string;
  readonly inode: bigint;
  /** The path with the kernel's octal escapes undone; `(deleted)` stays. */
  readonly path: string;
}

const LINE =
  /^([0-9a-f]{1,16})-([0-9a-f]{1,16}) ([r-][w-][x-][sp]) ([0-9a-f]{1,16}) ([0-9a-f]{1,8}:[0-9a-f]{1,8}) ([0-9]{1,20}) *(.*)$/s;

/** Parses one line without its newline; null for anything that is not exactly such a line. */
export function parseVma(line: string): Vma | null {
  const match = LINE.exec(line);
  if (match === null) return null;
  const [, startText = "", endText = "", perms = "", offsetText = "", dev = "", inode = "", path = ""] =
    match;
  const start = parseHex(startText);
  const end = parseHex(endText);
  const offset = parseHex(offsetText);
  if (end <= start || end > MAX_ADDRESS || end - start > BigInt(Number.MAX_SAFE_INTEGER)) return null;
  return {
    start,
    end,
    size: Number(end - start),
    perms,
    offset,
    dev,
    inode: BigInt(inode),
    path: unescapePath(path),
  };
}

/** Undoes `seq_path`'s escapes. In maps the kernel escapes only the newline, so a backslash of its own stays. */
function unescapePath(path: string): string {
  return path.includes("\\012") ? path.replaceAll("\\012", "\n") : path;
}
