/** The processes of the machine, and which files they hold open or mapped. */

import { statSync } from "node:fs";
import { join } from "node:path";
import { besideSys, isLive, type MachineRoots } from "../../sysfs/machine-roots.ts";
import { PROC_PID_INIT_INO } from "../../../system/constants.ts";
import { oneLine, type Unknown } from "./findings.ts";
import { DENIED, linkOf, namesIn, namesOrDenied, readOrDenied, textOf } from "./reading.ts";

/** A file that a process has open or mapped. */
export interface HeldFile {
  readonly pid: number;
  /** As the process sees it: `/dev/nvidia0`. */
  readonly path: string;
  /** `cMAJOR:MINOR` or `b…` of a device's file on this machine, whatever its name; null of a recorded one. */
  readonly number: string | null;
}

export interface HeldFiles {
  readonly files: readonly HeldFile[];
  /** The processes that did not let this user look. */
  readonly denied: readonly number[];
}

export function processIds({ proc }: MachineRoots): number[] {
  return namesIn(proc)
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/** All device files, and files of sysfs and /proc/bus, that processes hold; other files are nobody's business. */
export function heldFiles(roots: MachineRoots): HeldFiles {
  const files: HeldFile[] = [];
  const denied: number[] = [];
  for (const pid of processIds(roots)) {
    const own = { pid, folder: String(pid) };
    const isHidden = [openFiles(roots, own, files), mappedFiles(roots, own, files)].includes(DENIED);
    if (isHidden) denied.push(pid);
    else for (const thread of threadsApart(roots, pid)) heldByThread(roots, thread, files);
  }
  return { files, denied };
}

/** A process or one of its threads. */
export interface Task {
  readonly pid: number;
  /** Below `/proc`: `41`, `41/task/43`. */
  readonly folder: string;
}

/**
 * The threads that have other files open than their process shows: it shows the first thread's, which may have ended
 * before the others and then has none, or they have a table of their own (`CLONE_FILES` of unshare(2)).
 */
function threadsApart(roots: MachineRoots, pid: number): Task[] {
  const filesOf = (folder: string): string => namesIn(roots.proc, folder, "fd").join(" ");
  const shown = filesOf(String(pid));
  return otherThreads(roots, pid).filter(({ folder }) => filesOf(folder) !== shown);
}

/** The threads of a process besides its first. */
export function otherThreads({ proc }: MachineRoots, pid: number): Task[] {
  return namesIn(proc, String(pid), "task")
    .filter((tid) => tid !== String(pid))
    .map((tid) => ({ pid, folder: `${pid}/task/${tid}` }));
}

function heldByThread(roots: MachineRoots, thread: Task, files: HeldFile[]): void {
  openFiles(roots, thread, files);
  // Memory is all threads' own, but the first thread shows none any more once it has ended.
  if (textOf(roots.proc, String(thread.pid), "maps") === "") mappedFiles(roots, thread, files);
}

function openFiles(roots: MachineRoots, task: Task, files: HeldFile[]): typeof DENIED | null {
  const folder = join(roots.proc, task.folder, "fd");
  const descriptors = namesOrDenied(folder);
  if (descriptors === DENIED) return DENIED;
  for (const descriptor of descriptors ?? []) {
    const path = vfioPath(roots, task, descriptor) ?? linkOf(folder, descriptor);
    if (path === null || !isOfDevice(path)) continue;
    const number = isLive(roots) ? deviceNumber(join(folder, descriptor)) : null;
    files.push({ pid: task.pid, path: path.replace(/ \(deleted\)$/, ""), number });
  }
  return null;
}

/** Which function a VFIO device's nameless file is of: its folder in sysfs, since Linux 6.18. */
function vfioPath({ proc }: MachineRoots, { folder }: Task, descriptor: string): string | null {
  if (linkOf(proc, folder, "fd", descriptor) !== "anon_inode:[vfio-device]") return null;
  const info = textOf(proc, folder, "fdinfo", descriptor);
  return /^vfio-device-syspath:\s*(\S+)/m.exec(info)?.[1] ?? null;
}

/** A mapping outlives its descriptor. The line's fifth field is the file system's number, not the device's. */
function mappedFiles(roots: MachineRoots, { pid, folder }: Task, files: HeldFile[]): typeof DENIED | null {
  const maps = readOrDenied(roots.proc, folder, "maps");
  if (maps === DENIED) return DENIED;
  const paths = new Set<string>();
  for (const [, path] of (maps ?? "").matchAll(/^[^\n/]* (\/[^\n]*)$/gm)) {
    if (path !== undefined && isOfDevice(path)) paths.add(path);
  }
  for (const path of paths) files.push({ pid, path: path.replace(/ \(deleted\)$/, ""), number: null });
  return null;
}

/** Also below a chroot's or a container's `/dev`. Other files are not looked at: one on a dead NFS server would hang. */
function isOfDevice(path: string): boolean {
  return path.includes("/dev/") || path.startsWith("/sys/") || path.startsWith("/proc/bus/");
}

/** `cMAJOR:MINOR` or `b…` of a device's file; null for any other, or none. */
export function deviceNumber(path: string): string | null {
  try {
    const file = statSync(path);
    if (file.isCharacterDevice()) return `c${numberText(file.rdev)}`;
    return file.isBlockDevice() ? `b${numberText(file.rdev)}` : null;
  } catch {
    return null; // It was closed or removed meanwhile.
  }
}

/** `MAJOR:MINOR` of a `dev_t`, as glibc lays it out (gnu_dev_major). */
export function numberText(device: number): string {
  const value = BigInt(device);
  const major = ((value >> 8n) & 0xfffn) | ((value >> 32n) & 0xfffff000n);
  const minor = (value & 0xffn) | ((value >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

/** A process for a message: `process 900 (Xorg, of root)`. */
export function processTitle(roots: MachineRoots, pid: number): string {
  const command = textOf(roots.proc, String(pid), "comm").trimEnd();
  const uid = /^Uid:\s*(\d+)/m.exec(textOf(roots.proc, String(pid), "status"))?.[1];
  const owner = uid === undefined ? "" : `of ${userName(roots, uid)}`;
  const details = [command, owner].filter((text) => text !== "").join(", ");
  return details === "" ? `process ${pid}` : oneLine(`process ${pid} (${details})`);
}

function userName(roots: MachineRoots, uid: string): string {
  const users = textOf(besideSys(roots, "etc/passwd")).split("\n");
  const name = users.map((line) => line.split(":")).find(([, , id]) => id === uid)?.[0];
  return name ?? (uid === "0" ? "root" : `user ${uid}`);
}

/** What the files of processes would have told that let nobody look or do not show at all, behind "it cannot be told". */
export function deniedFiles(roots: MachineRoots, denied: readonly number[]): Unknown[] {
  const verb = denied.length === 1 ? "has" : "have";
  return [
    ...unseenProcesses(roots).map(({ what, isRefused }) => ({
      what: `which files ${what} have open`,
      isRefused,
    })),
    ...(denied.length === 0
      ? []
      : [
          {
            what: `which files ${processTitles(roots, denied)} ${verb} open (CAP_SYS_PTRACE)`,
            isRefused: true,
          },
        ]),
  ];
}

/** A container shows its own processes only, and /proc mounted with `hidepid` a user's own. */
function unseenProcesses(roots: MachineRoots): Unknown[] {
  const namespace = linkOf(roots.proc, "self/ns/pid");
  if (namespace !== null && namespace !== `pid:[${PROC_PID_INIT_INO}]`) {
    // No right shows a process that this /proc has not.
    return [{ what: "processes outside of this PID namespace", isRefused: false }];
  }
  // The first process never ends.
  const isHidden = isLive(roots) && namesOrDenied(roots.proc, "1") === null;
  const what = "other users' processes (/proc hides them: hidepid)";
  return isHidden ? [{ what, isRefused: true }] : [];
}

/** Several of them: the first three by name, the others counted. */
export function processTitles(roots: MachineRoots, pids: Iterable<number>): string {
  const all = [...new Set(pids)];
  const titles = all.slice(0, 3).map((pid) => processTitle(roots, pid));
  const more = all.length - titles.length;
  return more === 0 ? titles.join(", ") : `${titles.join(", ")} and ${more} more`;
}
