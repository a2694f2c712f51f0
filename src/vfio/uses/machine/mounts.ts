/** What is mounted, in every mount namespace. */

import { realpathSync } from "node:fs";
import { isLive, type MachineRoots } from "../../sysfs/machine-roots.ts";
import { processIds } from "./processes.ts";
import { DENIED, linkOf, readOrDenied } from "./reading.ts";

export interface Mount {
  /** `MAJOR:MINOR`; a file system over several disks (btrfs) has a number of its own. */
  readonly number: string | null;
  /** What of the file system is mounted: `/`, or a namespace's file, `net:[4026532200]`; null where it is not told. */
  readonly root: string | null;
  readonly point: string;
  readonly type: string;
  /** What is mounted, as it was called then, and resolved where that can be done: `/dev/nvme0n1p2`, `rpool/ROOT`. */
  readonly sources: readonly string[];
  /** The process in whose namespace it is; null for the one of process 1. */
  readonly pid: number | null;
}

export interface Mounts {
  readonly mounts: readonly Mount[];
  /** The processes that did not let this user look. */
  readonly denied: readonly number[];
}

/** Process 1's namespace first, then each that is another one. */
export function readMounts(roots: MachineRoots): Mounts {
  const mounts: Mount[] = [];
  const namespaces = new Set<string>();
  const texts = new Set<string>();
  const denied: number[] = [];
  for (const process of ["1", "self", ...processIds(roots).map(String)]) {
    const namespace = linkOf(roots.proc, process, "ns/mnt");
    if (namespace !== null && namespaces.has(namespace)) continue;
    const text = mountTable(roots, process);
    if (text === DENIED && process !== "self") denied.push(Number(process));
    if (text === DENIED || text === null) continue;
    if (namespace !== null) namespaces.add(namespace);
    if (texts.has(text)) continue;
    texts.add(text);
    const pid = process === "1" || process === "self" ? null : Number(process);
    for (const mount of parseMounts(text)) mounts.push({ ...resolved(roots, mount), pid });
  }
  // A recorded machine can have this file alone.
  const own = mounts.length === 0 ? readOrDenied(roots.proc, "mounts") : null;
  if (typeof own === "string") for (const mount of parseMounts(own)) mounts.push({ ...mount, pid: null });
  return { mounts, denied };
}

function mountTable({ proc }: MachineRoots, process: string): string | typeof DENIED | null {
  return readOrDenied(proc, process, "mountinfo") ?? readOrDenied(proc, process, "mounts");
}

/**
 * Lines of `mountinfo`, whose fields 3, 4 and 5 are number, root and point, with type, source and options behind the lone hyphen
 * (proc_pid_mountinfo(5)), or of `mounts`: source, point, type, options.
 */
export function parseMounts(text: string): Omit<Mount, "pid">[] {
  return text.split("\n").flatMap((line): Omit<Mount, "pid">[] => {
    const [mount = "", fileSystem] = line.split(" - ");
    const fields = mount.split(" ").map(unescape);
    if (fileSystem === undefined) {
      const [source, point, type, options = ""] = fields;
      if (source === undefined || point === undefined || type === undefined) return [];
      return [
        { number: null, root: null, point, type, sources: [...partsOf(source), ...devicesIn(options)] },
      ];
    }
    const [, , number, root = null, point] = fields;
    const [type = "", source = "", options = ""] = fileSystem.split(" ").map(unescape);
    if (number === undefined || point === undefined) return [];
    return [{ number, root, point, type, sources: [...partsOf(source), ...devicesIn(options)] }];
  });
}

/** bcachefs names all its disks, with a colon between. */
function partsOf(source: string): string[] {
  return source.startsWith("/dev/") ? source.split(/:(?=\/dev\/)/) : [source];
}

/** A journal, log or further disk of its own: XFS's `logdev=`, EROFS's `device=`. */
function devicesIn(options: string): string[] {
  return options.split(",").flatMap((option) => /=(\/dev\/.+)$/.exec(option)?.[1] ?? []);
}

/** Blanks and backslashes are octal (mangle_path). */
function unescape(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

function resolved<Of extends Omit<Mount, "pid">>(roots: MachineRoots, mount: Of): Of {
  if (!isLive(roots)) return mount;
  const real = mount.sources.flatMap((source) => (source.startsWith("/dev/") ? realNode(source) : []));
  return { ...mount, sources: [...new Set([...mount.sources, ...real])] };
}

function realNode(path: string): string[] {
  try {
    return [realpathSync(path)];
  } catch {
    return []; // Of another namespace, or gone.
  }
}
