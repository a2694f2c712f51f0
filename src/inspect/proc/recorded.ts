/**
 * Files below a recorded process that no /proc has: what `record` found out where it ran, because nothing that could be
 * saved of /proc would say it elsewhere.
 */

import { join } from "node:path";
import { isProcfs } from "./process.ts";
import { fieldOf, readTextOrNull, type Unreadable } from "./read-file.ts";

/** A line `INODE PATH` for each memory file of a vfio-user device: the path of the socket it came by. */
export const RECORDED_SOCKETS = "vfio-user-sockets";
/** Whose the process is: kind, name and pod in a line each; in place of its control group and its arguments. */
export const RECORDED_OWNER = "hugebar-owner";
/** Which program it runs, where its name does not tell. */
export const RECORDED_PROGRAM = "hugebar-program";
/** Why the process could not be looked at. */
export const RECORDED_REFUSAL = "refused";

/** How many mappings the process had, of which maps keeps those of device memory alone. */
export const RECORDED_MAPPINGS = "mappings";

/** Null where it is not recorded. */
export function recordedMappings(proc: string, pid: number): number | null {
  const text = readTextOrNull(join(proc, `${pid}/${RECORDED_MAPPINGS}`), 64)?.trim() ?? "";
  return /^\d{1,9}$/.test(text) ? Number(text) : null;
}

export function recordedSocket(proc: string, pid: number, inode: bigint): string | null {
  const prefix = `${inode} `;
  const lines = (readTextOrNull(join(proc, `${pid}/${RECORDED_SOCKETS}`)) ?? "").split("\n");
  const path = lines.find((line) => line.startsWith(prefix))?.slice(prefix.length);
  return path?.startsWith("/") === true ? path : null;
}

/**
 * What is known of the record itself, below /proc: `time: ISO 8601`, `processes: N` that were looked at, and `hidden: yes`
 * where others may have been hidden from who recorded.
 */
export const RECORDED_ABOUT = "hugebar-record";

/** Which machine /proc is of, and as of when; null where a record does not tell. */
export interface WhereAndWhen {
  readonly host: string | null;
  /** ISO 8601, in UTC. */
  readonly time: string | null;
}

export function whereAndWhen(proc: string): WhereAndWhen {
  const host = readTextOrNull(join(proc, "sys/kernel/hostname"), 256)?.trim() ?? "";
  const recorded = /^[\dT:.Z-]{10,30}$/.exec(aboutRecord(proc, "time"))?.[0] ?? null;
  return { host: host === "" ? null : host, time: isProcfs(proc) ? new Date().toISOString() : recorded };
}

/** How many processes there were, of which only those that matter are recorded; null where a record does not tell. */
export function recordedProcesses(proc: string): number | null {
  const count = /^\d{1,9}$/.exec(aboutRecord(proc, "processes"))?.[0];
  return count === undefined ? null : Number(count);
}

/** Whether other processes may have been hidden from who recorded. */
export function recordedHidden(proc: string): boolean {
  return aboutRecord(proc, "hidden") === "yes";
}

function aboutRecord(proc: string, key: string): string {
  return isProcfs(proc) ? "" : (fieldOf(readTextOrNull(join(proc, RECORDED_ABOUT), 256) ?? "", key) ?? "");
}

/** Null for a process that could be looked at, or was not there. */
export function recordedRefusal(proc: string, pid: number): Unreadable | null {
  const refusal = readTextOrNull(join(proc, `${pid}/${RECORDED_REFUSAL}`), 64)?.trim();
  return refusal === "not-permitted" || refusal === "unreadable" ? refusal : null;
}
