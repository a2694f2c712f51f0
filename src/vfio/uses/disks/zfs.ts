/**
 * ZFS pools. The kernel does not say which disks an imported pool has: they have no holders and are not mounted. An
 * exclusive open tells on the live machine, and the label on the disk which pool; of a recorded one, what udev has read on the
 * disks, and zpool.cache.
 */

import type { MachineRoots } from "../../sysfs/machine-roots.ts";
import type { Mount } from "../machine/mounts.ts";
import { namesIn } from "../machine/reading.ts";
import { udevRecord } from "./udev-database.ts";
import { cachedPools } from "./zfs-labels.ts";

/** An imported pool, and where it is mounted. */
export interface Pool {
  readonly name: string;
  readonly points: readonly string[];
}

/** By what is mounted, and by the pools' statistics, which are there for one without a mount too. */
export function importedPools({ proc }: MachineRoots, mounts: readonly Mount[]): Pool[] {
  const points = new Map<string, Set<string>>();
  for (const name of namesIn(proc, "spl/kstat/zfs")) {
    // Files stand beside the pools' folders; only those have `state` or `io`.
    if (namesIn(proc, "spl/kstat/zfs", name).length > 0) points.set(name, new Set());
  }
  for (const { type, sources, point } of mounts) {
    const [name] = (sources[0] ?? "").split("/");
    if (type !== "zfs" || name === undefined || name === "") continue;
    points.set(name, (points.get(name) ?? new Set()).add(point));
  }
  return [...points].map(([name, set]) => ({ name, points: [...set] }));
}

/** A pool for a message: `ZFS pool rpool, mounted on / and /rpool`. */
export function poolTitle({ name, points }: Pool): string {
  const [first, second] = points;
  if (first === undefined) return `ZFS pool ${name}`;
  if (second === undefined) return `ZFS pool ${name}, mounted on ${first}`;
  const more = points.length > 2 ? ", …" : "";
  return `ZFS pool ${name}, mounted on ${first}, ${second}${more}`;
}

export type Membership =
  | { readonly is: "member"; readonly pool: Pool | null }
  | { readonly is: "no" | "unknown" };

/**
 * Whether a disk or partition is a pool's: by what udev read, or by zpool.cache; `unknown` where neither tells.
 *
 * @param nodes what the disk is called below `/dev`
 */
export function zfsMembership(
  roots: MachineRoots,
  { number, nodes }: { readonly number: string | null; readonly nodes: ReadonlySet<string> },
  pools: readonly Pool[],
): Membership {
  const record = udevRecord(roots, number);
  if (record?.fileSystem === "zfs_member") {
    return { is: "member", pool: pools.find(({ name }) => name === record.label) ?? null };
  }
  if (pools.length === 0) return { is: "no" };
  const cached = cachedPools(roots);
  const own = pools.find(({ name }) => [...(cached.get(name) ?? [])].some((path) => nodes.has(path)));
  if (own !== undefined) return { is: "member", pool: own };
  if (record !== null && !record.isAmbivalent) return { is: "no" };
  // The cache may call disks otherwise, or not have the pool at all: that it does not name one says nothing.
  return { is: "unknown" };
}
