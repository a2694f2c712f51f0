/** Whether /proc keeps processes out of sight: hidepid (Documentation/filesystems/proc.rst, chapter 4). */

import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { isProcfs } from "./process.ts";
import { readTextOrNull } from "./read-file.ts";
import { recordedHidden } from "./recorded.ts";
import { lackingRights } from "./rights.ts";

/** A host of many containers has thousands of mounts. */
const MOST_MOUNTS = 4 * 1024 * 1024;

/** Who looks. */
export interface Looker {
  /** May look into every process there is. */
  readonly seesAll: boolean;
  readonly groups: readonly number[];
}

/** Whether there may be processes that are not even listed for this process; of a recorded machine, for who recorded it. */
export function hidesProcesses(proc: string): boolean {
  if (!isProcfs(proc)) return recordedHidden(proc);
  const mounts =
    readTextOrNull("/proc/self/mountinfo", MOST_MOUNTS) ??
    readTextOrNull(join(proc, "self/mountinfo"), MOST_MOUNTS);
  return mounts !== null && hidesFrom(mounts, deviceOf(proc), lookerOf(proc));
}

/**
 * Whether a mount of procfs hides processes (fs/proc/base.c, has_pid_permissions).
 *
 * @param mountinfo /proc/self/mountinfo
 * @param device the mount's, `MAJOR:MINOR`
 */
export function hidesFrom(mountinfo: string, device: string, { seesAll, groups }: Looker): boolean {
  const options = superOptions(mountinfo, device);
  // Before 5.8 a number. With 1 (noaccess) they are listed, and their files refused, which is seen.
  const level = /(?:^|,)hidepid=(\w+)/.exec(options)?.[1];
  if (level === "4" || level === "ptraceable") return !seesAll;
  if (level !== "2" && level !== "invisible") return false;
  // It is not shown where it is root's, which is the default.
  const gid = Number(/(?:^|,)gid=(\d{1,10})(?:,|$)/.exec(options)?.[1] ?? 0);
  return !seesAll && !groups.includes(gid);
}

/** What stands last in a line of mountinfo, behind ` - TYPE SOURCE`; empty where no procfs has this number. */
function superOptions(mountinfo: string, device: string): string {
  for (const line of mountinfo.split("\n")) {
    const fields = line.split(" ");
    if (fields[2] !== device) continue;
    const separator = fields.indexOf("-", 6);
    if (separator !== -1 && fields[separator + 1] === "proc") return fields[separator + 3] ?? "";
  }
  return "";
}

/** As mountinfo writes it: each mount with options of its own is a device (gnu_dev_makedev). */
function deviceOf(proc: string): string {
  const { dev } = statSync(proc, { bigint: true });
  const major = (dev >> 8n) & 0xfffn;
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xfff00n);
  return `${major}:${minor}`;
}

function lookerOf(proc: string): Looker {
  const mayTrace = !lackingRights(proc).includes("CAP_SYS_PTRACE");
  // A security module (Landlock, say) may deny what the right allows: so it is looked whether the first process is there.
  const seesAll = mayTrace && existsSync(join(proc, "1"));
  const groups = [process.getegid?.() ?? -1, ...(process.getgroups?.() ?? [])];
  return { seesAll, groups };
}
