/** Reads small files of /proc and /sys, live or recorded, whatever they hold. */

import { closeSync, constants, openSync, readdirSync, readlinkSync, readSync } from "node:fs";

/** Why something could not be read. `gone`: the process or the file is no longer there. */
export type Unreadable = "gone" | "not-permitted" | "unreadable";

/** Sorts an error of `node:fs` by what the user can make of it. */
export function unreadable(error: unknown): Unreadable {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  // ESRCH: the process ended between the opening and the reading of its file.
  if (code === "ENOENT" || code === "ESRCH" || code === "ENOTDIR") return "gone";
  return code === "EACCES" || code === "EPERM" ? "not-permitted" : "unreadable";
}

const LIMIT = 64 * 1024;

/** The file's text, at most its first `limit` bytes. Throws what `fs` throws. */
export function readText(path: string, limit = LIMIT): string {
  // O_NONBLOCK: in a recorded machine the path may be a FIFO, and opening that would wait for ever.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const buffer = Buffer.allocUnsafe(limit);
    let length = 0;
    while (length < limit) {
      const bytes = readSync(fd, buffer, length, limit - length, null);
      if (bytes === 0) break;
      length += bytes;
    }
    return buffer.toString("utf8", 0, length);
  } finally {
    closeSync(fd);
  }
}

/** The file's text, or null where it cannot be read. */
export function readTextOrNull(path: string, limit = LIMIT): string | null {
  return orNull(() => readText(path, limit));
}

/** The link's text, or null where there is none or it may not be read. */
export function readLinkOrNull(path: string): string | null {
  return orNull(() => readlinkSync(path));
}

/** The folder's entries in order; none where it cannot be read. */
export function listFolder(path: string): string[] {
  return listFolderOrNull(path) ?? [];
}

/** The folder's entries in order; null where it cannot be read. */
export function listFolderOrNull(path: string): string[] | null {
  return orNull(() => readdirSync(path).sort());
}

function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

/** The value behind `Key:` in text of the form of `/proc/PID/status`; null where it is not there. */
export function fieldOf(text: string, key: string): string | null {
  const prefix = `${key}:`;
  const line = text.split("\n").find((candidate) => candidate.startsWith(prefix));
  return line === undefined ? null : line.slice(prefix.length).trim();
}
