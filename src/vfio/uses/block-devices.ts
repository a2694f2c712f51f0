/** The block devices that are a PCI function's storage, by whatever is stacked upon it. */

import { basename, dirname, join } from "node:path";
import type { MachineRoots } from "../sysfs/machine-roots.ts";
import { readAttribute, readFolder } from "../sysfs/sysfs.ts";
import type { BlockDevice, Disk } from "./block-device.ts";
import { nvmeHeads } from "./nvme-heads.ts";
import { classDevices, followLink, leadsThrough } from "./sysfs-paths.ts";

/** All block devices, each once. */
export function blockDevices(sys: string): BlockDevice[] {
  const found = new Map<string, BlockDevice>();
  // Partitions stand in `class/block` only; of a recorded machine either folder may be missing.
  for (const { name, path } of ["class/block", "block"].flatMap((folder) => classDevices(sys, folder))) {
    if (found.has(name)) continue;
    const mapped = readAttribute(path, "dm/name") ?? readAttribute(path, "md/array_name");
    found.set(name, { name, path, number: readAttribute(path, "dev"), mapped });
  }
  return [...found.values()];
}

/** The function's own disks and partitions, and over every level what is built on them. */
export function disksOf({ sys }: MachineRoots, bdf: string): Disk[] {
  const all = blockDevices(sys);
  const heads = nvmeHeads(sys, all, bdf);
  const chosen = new Map<string, Disk>();
  for (const device of all) {
    if (leadsThrough(device.path, bdf) || heads.has(device.name)) {
      chosen.set(device.name, { ...device, builtOn: [] });
    }
  }
  const below = linksDown(all);
  // Each round finds what is built on what the last one found: LUKS on MD on partitions.
  for (let before = -1; before !== chosen.size;) {
    before = chosen.size;
    for (const device of all) {
      const builtOn = [...(below.get(device.name) ?? [])].filter((name) => chosen.has(name));
      const isNew = !chosen.has(device.name) && isPartOfOne(device, chosen);
      if (builtOn.length > 0 || isNew) chosen.set(device.name, { ...device, builtOn });
    }
  }
  return [...chosen.values()];
}

/** A partition lies below its disk: of a multipath namespace, or of something stacked. */
function isPartOfOne({ path }: BlockDevice, chosen: ReadonlyMap<string, Disk>): boolean {
  return path.split("/").some((name) => chosen.has(name));
}

/** What each device is built on: the links lead down and up, and a record can lack the ones or the others. */
function linksDown(all: readonly BlockDevice[]): ReadonlyMap<string, ReadonlySet<string>> {
  const below = new Map(
    all.map((device) => [
      device.name,
      new Set([...(readFolder(device.path, "slaves") ?? []), ...backingOf(device)]),
    ]),
  );
  for (const { name, path } of all) {
    for (const holder of readFolder(path, "holders") ?? []) below.get(holder)?.add(name);
  }
  return below;
}

/** What a loop device or a bcache lies on, which have no links to it in all kernels. */
function backingOf({ name, path }: BlockDevice): Set<string> {
  const names = new Set<string>();
  for (const file of ["loop/backing_file", "backing_dev"]) {
    const backing = readAttribute(path, file);
    if (backing?.startsWith("/dev/") === true) names.add(backing.slice("/dev/".length));
  }
  if (!name.startsWith("bcache")) return names;
  // `bcache0/bcache` is the backing device's folder of that name, and its `cache` the set of caches.
  const backingDevice = followLink(join(path, "bcache"));
  const set = followLink(join(backingDevice, "cache"));
  const members = (readFolder(set) ?? []).filter((member) => /^(?:cache|bdev)\d+$/.test(member));
  for (const member of [backingDevice, ...members.map((entry) => followLink(join(set, entry)))]) {
    names.add(basename(dirname(member)));
  }
  names.delete(name);
  return names;
}

/** The paths of a block device below `/dev`; a `!` in its name stands for a slash. */
export function nodesOf({ name, mapped, path }: BlockDevice): string[] {
  const node = `/dev/${name.replaceAll("!", "/")}`;
  if (mapped === null) return [node];
  return [node, join("/dev", readFolder(path, "md") === null ? "mapper" : "md", mapped)];
}

/** How messages call it: by its mapped name too, which says more than `dm-0`. */
export function titleOf({ name, mapped }: BlockDevice): string {
  const node = `/dev/${name.replaceAll("!", "/")}`;
  return mapped === null ? node : `${node} (${mapped})`;
}
