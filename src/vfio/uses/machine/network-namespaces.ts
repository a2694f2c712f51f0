/**
 * The network namespaces that are not this one: those of processes and of threads, those that `ip netns` and container
 * engines keep by a mount, and those that a process keeps by an open file alone.
 */

import { join } from "node:path";
import type { MachineRoots } from "../../sysfs/machine-roots.ts";
import type { Mount } from "./mounts.ts";
import { otherThreads, processIds, type Task } from "./processes.ts";
import { linkOf, namesIn, textOf } from "./reading.ts";

/** One thread of each network namespace that is not this one's (not process 1's of a recorded machine). */
export function otherNamespaces(roots: MachineRoots): Task[] {
  const known = new Set(ownKeys(roots));
  // Leaders first, for a process says more than a thread; setns(2) moves a thread alone, as routing daemons do.
  const leaders = processIds(roots).map((pid) => ({ pid, folder: String(pid) }));
  const threads = leaders.flatMap(({ pid }) => otherThreads(roots, pid));
  return [...leaders, ...threads].filter(({ folder }) => {
    const key = namespaceKey(roots, folder);
    if (key === null || known.has(key)) return false;
    known.add(key);
    return true;
  });
}

export function hasInterfaces({ proc }: MachineRoots, { folder }: Task): boolean {
  return interfaceNames(textOf(proc, folder, "net/dev")).some((name) => name !== "lo");
}

/** Where `ip netns add` and container engines keep one: mounts of nsfs, in whatever mount namespace. */
export function namespaceMounts(mounts: readonly Mount[]): string[] {
  const kept = mounts.filter(({ type, root }) => type === "nsfs" && root?.startsWith("net:[") === true);
  return [...new Set(kept.map(({ point }) => point))];
}

/** The processes that have the file of another namespace open, which keeps one that nobody is in. */
export function namespaceOpeners(roots: MachineRoots): number[] {
  const own = ownKeys(roots);
  return processIds(roots).filter((pid) => {
    const folder = join(roots.proc, String(pid), "fd");
    return namesIn(folder).some((name) => {
      const link = linkOf(folder, name);
      return link?.startsWith("net:[") === true && !own.includes(link);
    });
  });
}

function ownKeys(roots: MachineRoots): string[] {
  const key = namespaceKey(roots, "self") ?? namespaceKey(roots, "1");
  return key === null ? [] : [key];
}

/** The namespace's number; of a record without, its list of interfaces, which tells two apart. */
function namespaceKey({ proc }: MachineRoots, folder: string): string | null {
  const link = linkOf(proc, folder, "ns/net");
  if (link !== null) return link;
  const interfaces = interfaceNames(textOf(proc, folder, "net/dev"));
  return interfaces.length === 0 ? null : interfaces.join(" ");
}

function interfaceNames(text: string): string[] {
  return [...text.matchAll(/^\s*([^\s:|]+):/gm)].map(([, name = ""]) => name);
}
