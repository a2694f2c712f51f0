/**
 * Reads `/proc/PID/maps` of every process of a machine quickly. One search runs over all lines of a piece of a file, and
 * only those are parsed whose path may be a device's, because a busy machine has hundreds of thousands of lines and hardly
 * ever a dozen that matter. One buffer serves all files, so memory does not grow with the number of lines.
 */

import { closeSync, constants, openSync, readSync } from "node:fs";
import { parseVma, type Vma } from "./vma.ts";

const NEWLINE = 0x0a;

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
        if (kept > 0) buffer.copyWithin(0, rest, end);
      }
    }
    if (kept > 0 && !skipping) scanLine(buffer, 0, kept, visit);
  } finally {
    closeSync(fd);
  }
}

/** How many lines there are in the file at `path`. Throws what `fs` throws. */
export function countLines(path: string, buffer: Buffer): number {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    let lines = 0;
    for (let total = 0; total < LARGEST_FILE;) {
      const bytes = readSync(fd, buffer, 0, buffer.length, null);
      if (bytes === 0) break;
      total += bytes;
      const piece = buffer.subarray(0, bytes);
      for (let at = piece.indexOf(NEWLINE); at !== -1; at = piece.indexOf(NEWLINE, at + 1)) lines += 1;
    }
    return lines;
  } finally {
    closeSync(fd);
  }
}

/** Looks at all whole lines in `begin..end`; returns where the unfinished one begins. */
function scanLines(buffer: Buffer, begin: number, end: number, visit: (vma: Vma) => void): number {
  // One character a byte, whatever the encoding: places in the text are places in the buffer.
  const text = buffer.toString("latin1", begin, end);
  const rest = text.lastIndexOf("\n") + 1;
  let line = 0;
  while (line < rest) {
    const found = text.slice(line).search(MAY_BE_DEVICE);
    if (found === -1 || line + found >= rest) break;
    const first = text.lastIndexOf("\n", line + found) + 1;
    line = text.indexOf("\n", line + found) + 1;
    scanLine(buffer, begin + first, begin + line - 1, visit);
  }
  return begin + rest;
}

/** Looks at one line without its newline. */
function scanLine(buffer: Buffer, begin: number, end: number, visit: (vma: Vma) => void): void {
  const vma = parseVma(buffer.toString("utf8", begin, end));
  if (vma !== null) visit(vma);
}

/**
 * What the paths of devices have in them: `[vfio-device]`, `vfioN`, `resourceN`, `uioN`, `mem`, `egmN`, a
 * dma-buf, `/proc/bus/pci`, or a memfd (`/memfd:NAME (deleted)`). Says yes too often, never too seldom: `deviceFileOf` decides.
 */
const MAY_BE_DEVICE = /vfio|\/(?:resource|uio|mem|egm|dmabuf:|bus\/pci\/)/;
