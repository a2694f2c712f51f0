/**
 * Files below a recorded process that no /proc has: what `record` found out where it ran, because nothing that could be
 * saved of /proc would say it elsewhere.
 */

import { join } from "node:path";
import { readTextOrNull, type Unreadable } from "./read-file.ts";

/** A line `INODE PATH` for each memory file of a vfio-user device: the path of the socket it came by. */
export const RECORDED_SOCKETS = "vfio-user-sockets";
/** Why the process could not be looked at. */
export const RECORDED_REFUSAL = "refused";

export function recordedSocket(proc: string, pid: number, inode: bigint): string | null {
  const prefix = `${inode} `;
  const lines = (readTextOrNull(join(proc, `${pid}/${RECORDED_SOCKETS}`)) ?? "").split("\n");
  const path = lines.find((line) => line.startsWith(prefix))?.slice(prefix.length);
  return path?.startsWith("/") === true ? path : null;
}

/** Null for a process that could be looked at, or was not there. */
export function recordedRefusal(proc: string, pid: number): Unreadable | null {
  const refusal = readTextOrNull(join(proc, `${pid}/${RECORDED_REFUSAL}`), 64)?.trim();
  return refusal === "not-permitted" || refusal === "unreadable" ? refusal : null;
}
