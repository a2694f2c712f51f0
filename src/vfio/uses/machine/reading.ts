/**
 * Reading what may go away while it is read, or not be there for this user: processes, and files beside sysfs. What is
 * not readable is told apart from what is not there, so that nobody takes the one for the other.
 */

import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "../../sysfs/sysfs.ts";

/** Not permitted, which is not the same as absent. */
export const DENIED = Symbol("denied");

/** The file's text; null where there is none (any more). */
export function readOrDenied(...path: readonly string[]): string | typeof DENIED | null {
  return attempt(() => readFileSync(join(...path), "utf8"));
}

/** The names in a folder; null where there is none (any more). */
export function namesOrDenied(...path: readonly string[]): readonly string[] | typeof DENIED | null {
  return attempt(() => readdirSync(join(...path)));
}

/** What a link says; null where there is none (any more). */
export function linkOrDenied(...path: readonly string[]): string | typeof DENIED | null {
  return attempt(() => readlinkSync(join(...path)));
}

/** As `readOrDenied`, where the difference does not matter. */
export function textOf(...path: readonly string[]): string {
  const text = readOrDenied(...path);
  return typeof text === "string" ? text : "";
}

/** As `namesOrDenied`, where the difference does not matter. */
export function namesIn(...path: readonly string[]): readonly string[] {
  const names = namesOrDenied(...path);
  return names === null || names === DENIED ? [] : names;
}

/** As `linkOrDenied`, where the difference does not matter. */
export function linkOf(...path: readonly string[]): string | null {
  const link = linkOrDenied(...path);
  return link === DENIED ? null : link;
}

function attempt<Value>(read: () => Value): Value | typeof DENIED | null {
  try {
    return read();
  } catch (error) {
    return isErrno(error, "EACCES", "EPERM") ? DENIED : null;
  }
}
