/** File systems, caches and replicas over several disks, of which mount tables name one or none: btrfs, bcachefs, bcache, DRBD. */

import { basename, join } from "node:path";
import { besideSys, type MachineRoots } from "../../sysfs/machine-roots.ts";
import { readFolder } from "../../sysfs/sysfs.ts";
import { nodeOf } from "../machine/block-device.ts";
import { titleOf } from "./block-devices.ts";
import type { NamedDisk } from "./named-disks.ts";
import type { Mount } from "../machine/mounts.ts";
import { namesIn, textOf } from "../machine/reading.ts";
import { followLink } from "../machine/sysfs-paths.ts";

export function multiDiskUses(roots: MachineRoots, disk: NamedDisk, mounts: readonly Mount[]): string[] {
  return [
    ...btrfsUses(roots, disk, mounts),
    ...bcachefsUses(roots, disk),
    ...bcacheUses(disk),
    ...drbdUses(roots, disk),
  ];
}

/** A mounted btrfs has a folder, in it a link for each of its disks. */
function btrfsUses({ sys }: MachineRoots, disk: NamedDisk, mounts: readonly Mount[]): string[] {
  return (readFolder(sys, "fs/btrfs") ?? []).flatMap((uuid) => {
    const members = readFolder(sys, "fs/btrfs", uuid, "devices") ?? [];
    if (!members.includes(disk.name)) return [];
    const sources = new Set(members.map(nodeOf));
    const points = mounts
      .filter(({ type, sources: own }) => type === "btrfs" && own.some((source) => sources.has(source)))
      .map(({ point }) => point);
    const where = points[0] === undefined ? "" : `, mounted on ${points[0]}`;
    return [`${titleOf(disk)} is one of the disks of btrfs ${uuid}${where}`];
  });
}

/** `fs/bcachefs/UUID/dev-0/block` links to the disk. */
function bcachefsUses({ sys }: MachineRoots, disk: NamedDisk): string[] {
  return (readFolder(sys, "fs/bcachefs") ?? []).flatMap((uuid) => {
    const folder = join(sys, "fs/bcachefs", uuid);
    const isMember = (readFolder(folder) ?? []).some(
      (name) => /^dev-\d+$/.test(name) && basename(followLink(join(folder, name, "block"))) === disk.name,
    );
    return isMember ? [`${titleOf(disk)} is one of the disks of bcachefs ${uuid}`] : [];
  });
}

/** A registered cache or backing device has this folder. */
function bcacheUses(disk: NamedDisk): string[] {
  if (disk.name.startsWith("bcache") || readFolder(disk.path, "bcache") === null) return [];
  return [`${titleOf(disk)} is part of a bcache`];
}

/** Not all of its versions link to the disks below, and none to one with metadata alone; what it is configured with names both. */
function drbdUses(roots: MachineRoots, disk: NamedDisk): string[] {
  const isActive = (readFolder(roots.sys, "class/block") ?? []).some((name) => /^drbd\d+$/.test(name));
  if (!isActive || disk.name.startsWith("drbd")) return [];
  const files = ["etc/drbd.d", "var/lib/linstor.d"].flatMap((folder) =>
    namesIn(besideSys(roots, folder))
      .filter((name) => name.endsWith(".res"))
      .map((name) => join(folder, name)),
  );
  return ["etc/drbd.conf", ...files]
    .filter((file) => {
      const text = textOf(besideSys(roots, file)).replaceAll(/#.*$/gm, "");
      return [...text.matchAll(/\bdisk\s+"?(\/dev\/[^\s;"[]+)/g)].some(([, path = ""]) =>
        disk.nodes.has(path),
      );
    })
    .map((file) => `${titleOf(disk)} belongs to DRBD (${basename(file)})`);
}
