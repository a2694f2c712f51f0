/** Who has the disks of a PCI function: file systems, swap, volumes, pools, exports, programs, the kernel. */

import { errnoInWords } from "../../../system/errno.ts";
import { isLive, type MachineRoots } from "../../sysfs/machine-roots.ts";
import { readFolder } from "../../sysfs/sysfs.ts";
import { type Disk, nodeOf } from "../machine/block-device.ts";
import { titleOf } from "./block-devices.ts";
import { exclusiveOpens } from "./exclusive-open.ts";
import { type Exported, exportsOf } from "../machine/exports.ts";
import { multiDiskUses } from "./multi-disk.ts";
import type { Mount } from "../machine/mounts.ts";
import type { NamedDisk } from "./named-disks.ts";
import { processTitle, processTitles } from "../machine/processes.ts";
import { namesIn, textOf } from "../machine/reading.ts";
import type { Survey } from "../machine/survey.ts";
import type { Findings } from "../machine/findings.ts";
import { importedPools, poolTitle, zfsMembership, type Pool } from "./zfs.ts";
import { poolOnDisk } from "./zfs-labels.ts";

export function diskUses(survey: Survey, disks: readonly NamedDisk[]): Findings {
  if (disks.length === 0) return { uses: [], unknown: [] };
  const { roots, system } = survey;
  const { mounts, denied } = survey.mounts();
  const uses: string[] = [];
  const explained = new Set<string>();
  const say = (disk: Disk, use: string): void => {
    uses.push(use);
    explained.add(disk.name);
  };
  for (const disk of disks) {
    const below = disk.builtOn.map(nodeOf);
    if (below.length > 0) say(disk, `${titleOf(disk)} is built on ${below.join(" and ")}`);
    const places = mountPlaces(roots, disk, mounts);
    if (places !== null) say(disk, `${titleOf(disk)} is mounted on ${places}`);
    if (isSwap(roots, disk)) say(disk, `${titleOf(disk)} is swap space`);
    if (isJournal(roots, disk)) say(disk, `${titleOf(disk)} is the journal of a file system on another disk`);
    for (const use of multiDiskUses(roots, disk, mounts)) say(disk, use);
    for (const use of exportsOf(survey.exports(), exportedDisk(disk))) say(disk, use);
  }
  const pools = importedPools(roots, mounts);
  const opens = isLive(roots) ? exclusiveOpens(disks, system) : null;
  // Partitions before their disks, so that those need not be told as well.
  for (const disk of disks.toReversed()) {
    if (opens?.busy.has(disk.name) !== true || isExplained(disk, disks, explained)) continue;
    say(disk, `${titleOf(disk)} is held by the kernel (an exclusive open is refused)${forWhom(disk, pools)}`);
  }
  uses.push(...zfsUses(roots, disks, pools, explained, opens?.free ?? new Set()));
  const unknown = opens?.unknown.map(({ name, errno }) => ({
    what: `whether ${nodeOf(name)} is in use (opening it: ${errnoInWords(errno)})`,
    isRefused: true,
  }));
  // Nothing that can be opened exclusively is mounted, whatever namespace it might be in.
  const isSure = denied.length === 0 || opens?.unknown.length === 0;
  const unseen = `what ${processTitles(roots, denied)} may have mounted (CAP_SYS_PTRACE)`;
  return { uses, unknown: [...(unknown ?? []), ...(isSure ? [] : [{ what: unseen, isRefused: true }])] };
}

/** The pool that a disk of this machine is of, by its label, or those that may have it; empty for none. */
function forWhom({ name }: Disk, pools: readonly Pool[]): string {
  if (pools.length === 0) return "";
  const label = poolOnDisk(nodeOf(name));
  const own = pools.find((pool) => pool.name === label);
  return own === undefined ? `, perhaps for ${pools.map(poolTitle).join(", ")}` : `, for ${poolTitle(own)}`;
}

function exportedDisk(disk: NamedDisk): Exported {
  return { title: titleOf(disk), nodes: disk.nodes, number: disk.number === null ? null : `b${disk.number}` };
}

/** Disks are taken for their partitions' sake, and those for what is built on them: that has been said. */
function isExplained(disk: Disk, disks: readonly Disk[], explained: ReadonlySet<string>): boolean {
  if (explained.has(disk.name)) return true;
  return disks.some(
    (other) =>
      (other.builtOn.includes(disk.name) || other.path.startsWith(`${disk.path}/`)) &&
      isExplained(other, disks, explained),
  );
}

/** Where a disk is mounted: two places at most, the others counted; null for nowhere. */
function mountPlaces(roots: MachineRoots, disk: NamedDisk, mounts: readonly Mount[]): string | null {
  const own = mounts.filter(
    ({ number, sources }) =>
      (number !== null && number === disk.number) || sources.some((source) => disk.nodes.has(source)),
  );
  const places = new Map<string, string>();
  // Those of process 1's namespace come first, and stand for their copies in others.
  for (const { point, pid } of own) {
    if (places.has(point)) continue;
    places.set(
      point,
      pid === null ? point : `${point} in the mount namespace of ${processTitle(roots, pid)}`,
    );
  }
  if (places.size === 0) return null;
  const [first = "", second] = places.values();
  if (second === undefined) return first;
  return places.size === 2 ? `${first} and ${second}` : `${first}, ${second} and ${places.size - 2} more`;
}

function isSwap({ proc }: MachineRoots, { nodes }: NamedDisk): boolean {
  const lines = textOf(proc, "swaps").split("\n");
  return lines.some((line) => nodes.has((line.split(/\s/)[0] ?? "").replace(/\\040\(deleted\)$/, "")));
}

/** ext4's and OCFS2's do not stand in the mount table. One within the file system has its inode behind the name: `sda1-8`. */
function isJournal({ proc }: MachineRoots, { name }: NamedDisk): boolean {
  return namesIn(proc, "fs/jbd2").includes(name);
}

/** Pools whose members nobody told: a disk that nothing else has, and of which nobody knows better, may be one. */
function zfsUses(
  roots: MachineRoots,
  disks: readonly NamedDisk[],
  pools: readonly Pool[],
  explained: ReadonlySet<string>,
  free: ReadonlySet<string>,
): string[] {
  const uses: string[] = [];
  const suspects: string[] = [];
  for (const disk of disks) {
    const membership = zfsMembership(roots, disk, pools);
    if (membership.is === "no" || free.has(disk.name)) continue;
    if (membership.is === "member") {
      const pool = membership.pool === null ? "a ZFS pool" : poolTitle(membership.pool);
      uses.push(`${titleOf(disk)} belongs to ${pool}`);
      continue;
    }
    const isContainer = (readFolder(disk.path) ?? []).some((name) => name.startsWith(disk.name));
    // A path of a multipath namespace has no number and is no disk by itself.
    if (isContainer || disk.number === null || isExplained(disk, disks, explained)) continue;
    suspects.push(titleOf(disk));
  }
  if (suspects.length === 0) return uses;
  const whose = pools.map(poolTitle).join(", or of ");
  uses.push(`${suspects.join(", ")} may be of ${whose}: nothing here tells which disks a pool has`);
  return uses;
}
