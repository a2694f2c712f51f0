/**
 * Reads `/proc/PID/maps` of every process of a machine quickly. Lines are looked at as raw bytes and only decoded when
 * their path may be a device's, because a busy machine has hundreds of thousands of them and hardly ever a dozen that
 * matter. One buffer serves all files, so memory does not grow with the number of lines.
 */

import { closeSync, constants, openSync, readSync } from "node:fs";
import { parseVma, type Vma } from "./vma.ts";

const NEWLINE = 0x0a;
const SPACE = 0x20;
const SLASH = 0x2f;
const CLOSING_BRACKET = 0x5d;

/** Longest path that can matter: PATH_MAX bytes, each escaped to four, and the fields before it. */
const LONGEST_LINE = 4 * 4096 + 128;
/** No kernel writes more for one process; a recorded machine's maps might be a link to an endless file. */
const LARGEST_FILE = 2 ** 30;

/** Makes the buffer that `scanMaps` reads into; one is enough for any number of files. */
export function scanBuffer(): Buffer {
  return Buffer.allocUnsafeSlow(128 * 1024);
}

/** Calls `visit` for each line of the maps file at `path` whose path may be that of a device. Throws what `fs` throws. */
export function scanMaps(path: string, buffer: Buffer, visit: (vma: Vma) => void): void {
  // O_NONBLOCK: in a recorded machine the path may be a FIFO, and opening that would wait for ever.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    let kept = 0;
    let skipping = false;
    for (let total = 0; total < LARGEST_FILE;) {
      const bytes = readSync(fd, buffer, kept, buffer.length - kept, null);
      if (bytes === 0) break;
      total += bytes;
      const end = kept + bytes;
      let begin = 0;
      if (skipping) {
        const newline = buffer.subarray(0, end).indexOf(NEWLINE);
        skipping = newline === -1;
        begin = skipping ? end : newline + 1;
      }
      const rest = scanLines(buffer, begin, end, visit);
      kept = end - rest;
      if (kept > LONGEST_LINE) {
        // No line of ours is that long: forget it up to its newline.
        skipping = true;
        kept = 0;
      } else {
        buffer.copyWithin(0, rest, end);
      }
    }
    if (kept > 0 && !skipping) scanLine(buffer, 0, kept, visit);
  } finally {
    closeSync(fd);
  }
}

/** Looks at all whole lines in `begin..end`; returns where the unfinished one begins. */
function scanLines(buffer: Buffer, begin: number, end: number, visit: (vma: Vma) => void): number {
  let line = begin;
  while (line < end) {
    const newline = buffer.indexOf(NEWLINE, line);
    if (newline === -1 || newline >= end) break;
    scanLine(buffer, line, newline, visit);
    line = newline + 1;
  }
  return line;
}

/** Looks at one line without its newline. */
function scanLine(buffer: Buffer, begin: number, end: number, visit: (vma: Vma) => void): void {
  if (!mayBeDevice(buffer, begin, end)) return;
  const vma = parseVma(buffer.toString("utf8", begin, end));
  if (vma !== null) visit(vma);
}

const DELETED = Buffer.from(" (deleted)");

/**
 * Whether the path's last name starts as a device's does: `[vfio-device]`, `vfioN`, `resourceN`, `uioN`, `mem`, or a
 * memfd (`/memfd:NAME (deleted)`). Says yes too often, never too seldom: `deviceFileOf` decides.
 */
function mayBeDevice(buffer: Buffer, begin: number, end: number): boolean {
  let last = end - 1;
  if (buffer[last] === CLOSING_BRACKET) {
    // `anon_inode:[vfio-device]`, not `[heap]`: an opening bracket behind a colon, and a "v" behind that.
    return end - begin > VFIO_DEVICE.length && buffer[end - VFIO_DEVICE.length] === VFIO_DEVICE[0];
  }
  if (buffer[last] === DELETED[DELETED.length - 1] && end - begin > DELETED.length) last -= DELETED.length;
  // Names of device files are short; a longer last name is none of them, except a memfd's, which begins with "/memfd:".
  while (last > begin && buffer[last] !== SLASH && buffer[last] !== SPACE) last -= 1;
  return FIRST_LETTERS.has(((buffer[last + 1] ?? 0) << 8) | (buffer[last + 2] ?? 0));
}

/** How the last names of device files begin: vfio1, resource2, uio0, mem and memfd:… */
const FIRST_LETTERS = new Set(["vf", "re", "ui", "me"].map((two) => Buffer.from(two).readUInt16BE()));
const VFIO_DEVICE = Buffer.from("anon_inode:[vfio-device]");
