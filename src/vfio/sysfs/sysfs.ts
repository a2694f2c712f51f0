/**
 * Reading sysfs. Every reader takes the folder that stands for `/sys`, so that a recorded machine reads like this one.
 */

import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { hugebarError } from "../../errors.ts";
import { failureInWords } from "../../system/errno.ts";

/** Where this machine's sysfs is mounted. */
export const SYSFS = "/sys";

/** An attribute's text without its closing line feed; null where there is no such attribute. */
export function readAttribute(...path: readonly string[]): string | null {
  return orNull(join(...path), (file) => readFileSync(file, "utf8").trimEnd());
}

/** A file's bytes, such as a property of the device tree's; null where there is no such file. */
export function readBytes(path: string): Uint8Array | null {
  return orNull(path, (file) => readFileSync(file));
}

/** An attribute's number, decimal or `0x…`; null where there is none. */
export function readNumber(...path: readonly string[]): number | null {
  const text = readAttribute(...path);
  if (text === null || text === "") return null;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : null;
}

/** The name of what a link points to: `vfio-pci` for `driver`; null where there is no such link. */
export function readLinkName(...path: readonly string[]): string | null {
  return orNull(join(...path), (link) => basename(readlinkSync(link)));
}

/** The names in a folder, sorted; null where there is no such folder. */
export function readFolder(...path: readonly string[]): readonly string[] | null {
  return orNull(join(...path), (folder) => readdirSync(folder).sort());
}

function orNull<Value>(path: string, read: (path: string) => Value): Value | null {
  try {
    return read(path);
  } catch (error) {
    // A device that is being removed answers ENODEV.
    if (isErrno(error, "ENOENT", "ENOTDIR", "ENODEV")) return null;
    if (isErrno(error, "EACCES", "EPERM")) {
      throw hugebarError("ERR_PERMISSION", { action: `read ${path}`, problem: failureInWords(error) }, error);
    }
    throw hugebarError("ERR_SYSTEM", { action: `read ${path}`, problem: failureInWords(error) }, error);
  }
}

/** Whether `error` is Node's for one of these errnos. */
export function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && "code" in error && codes.some((code) => error.code === code);
}
