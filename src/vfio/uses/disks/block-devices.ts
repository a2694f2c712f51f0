/** The block devices that are a PCI function's storage, by whatever is stacked upon it. */

import { basename, dirname, join } from "node:path";
import type { MachineRoots } from "../../sysfs/machine-roots.ts";
import { readAttribute, readFolder } from "../../sysfs/sysfs.ts";
import { type BlockDevice, type Disk, nodeOf } from "../machine/block-device.ts";
import { nvmeHeads } from "./nvme-heads.ts";
import { classDevices, followLink, leadsThrough } from "../machine/sysfs-paths.ts";
import { udevRecord } from "./udev-database.ts";

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
export function disksOf(roots: MachineRoots, bdf: string): Disk[] {
  const { sys } = roots;
  const all = blockDevices(sys);
  const heads = nvmeHeads(sys, all, bdf);
  const chosen = new Map<string, Disk>();
  for (const device of all) {
    if (leadsThrough(device.path, bdf) || heads.has(device.name)) {
      chosen.set(device.name, { ...device, builtOn: [] });
    }
  }
  const below = linksDown(roots, all);
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
function linksDown(
  roots: MachineRoots,
  all: readonly BlockDevice[],
): ReadonlyMap<string, ReadonlySet<string>> {
  const backing = new Map(all.map((device) => [device.name, backingNodes(device)]));
  // Most machines have none such, and need not read all that udev knows.
  const names = [...backing.values()].some((nodes) => nodes.length > 0) ? namesByNode(roots, all) : null;
  const below = new Map(
    all.map((device) => {
      const slaves = readFolder(device.path, "slaves") ?? [];
      const files = (backing.get(device.name) ?? []).flatMap((node) => names?.get(node) ?? []);
      return [device.name, new Set([...slaves, ...files, ...bcacheMembers(device)])];
    }),
  );
  for (const { name, path } of all) {
    for (const holder of readFolder(path, "holders") ?? []) below.get(holder)?.add(name);
  }
  return below;
}

/** Each block device by all that it is called below `/dev`. */
function namesByNode(roots: MachineRoots, all: readonly BlockDevice[]): ReadonlyMap<string, string> {
  return new Map(all.flatMap((device) => allNodes(roots, device).map((node) => [node, device.name])));
}

/** What a loop device lies on, or a compressed one writes to: the kernel gives the path by which it was opened (d_path). */
function backingNodes({ path }: BlockDevice): string[] {
  return ["loop/backing_file", "backing_dev"].flatMap((file) => {
    // A chroot's or a container's `/dev` lies elsewhere for who reads this.
    const node = (readAttribute(path, file) ?? "").replace(/ \(deleted\)$/, "").replace(/^.*(?=\/dev\/)/, "");
    return node.startsWith("/dev/") ? [node] : [];
  });
}

/** What a bcache lies on, which has no links to it in all kernels. */
function bcacheMembers({ name, path }: BlockDevice): Set<string> {
  const names = new Set<string>();
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

/** The paths of a block device below `/dev`. */
export function nodesOf({ name, mapped, path }: BlockDevice): string[] {
  const node = nodeOf(name);
  if (mapped === null) return [node];
  return [node, join("/dev", readFolder(path, "md") === null ? "mapper" : "md", mapped)];
}

/** With udev's links. */
export function allNodes(roots: MachineRoots, device: BlockDevice): string[] {
  return [...nodesOf(device), ...(udevRecord(roots, device.number)?.links ?? [])];
}

/** How messages call it: by its mapped name too, which says more than `dm-0`. */
export function titleOf({ name, mapped }: BlockDevice): string {
  const node = nodeOf(name);
  return mapped === null ? node : `${node} (${mapped})`;
}
