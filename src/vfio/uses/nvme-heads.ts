/**
 * NVMe's native multipath: the disk that is used (`nvme0n1`, the head) hangs below the subsystem, a virtual device, and
 * not below a controller; the subsystem links to its controllers (drivers/nvme/host/core.c, multipath.c).
 */

import { join } from "node:path";
import { readAttribute, readFolder } from "../sysfs/sysfs.ts";
import type { BlockDevice } from "./block-device.ts";
import { classDevices, followLink, leadsThrough } from "./sysfs-paths.ts";

/** One path to a namespace: subsystem, controller, head. */
const PATH_DEVICE = /^nvme(\d+)c\d+n(\d+)$/;

/** The names of the heads that the function's controllers lead to. */
export function nvmeHeads(sys: string, all: readonly BlockDevice[], bdf: string): Set<string> {
  const controllers = controllersOf(sys, bdf);
  const names = new Set(controllers.map(({ name }) => name));
  const subsystems = new Set(
    controllers.flatMap(({ path }) => readAttribute(path, "subsysnqn") ?? []).filter((nqn) => nqn !== ""),
  );
  const heads = new Set<string>();
  for (const { path } of controllers) {
    for (const name of readFolder(path) ?? []) {
      const [, subsystem, head] = PATH_DEVICE.exec(name) ?? [];
      if (subsystem !== undefined && head !== undefined) heads.add(`nvme${subsystem}n${head}`);
    }
  }
  for (const { name, path } of all) {
    const subsystem = /^.*\/nvme-subsystem\/[^/]+/.exec(path)?.[0];
    if (subsystem === undefined || leadsThrough(path, bdf)) continue;
    const leadsHere =
      subsystems.has(readAttribute(subsystem, "subsysnqn") ?? "") ||
      (readFolder(subsystem) ?? []).some(
        (entry) => names.has(entry) || leadsThrough(followLink(join(subsystem, entry)), bdf),
      ) ||
      (readFolder(path, "multipath") ?? []).some((entry) =>
        leadsThrough(followLink(join(path, "multipath", entry)), bdf),
      );
    if (leadsHere) heads.add(name);
  }
  return heads;
}

function controllersOf(sys: string, bdf: string): { name: string; path: string }[] {
  const home = followLink(join(sys, "bus/pci/devices", bdf));
  const below = (readFolder(home, "nvme") ?? []).map((name) => ({ name, path: join(home, "nvme", name) }));
  return [...below, ...classDevices(sys, "class/nvme").filter(({ path }) => leadsThrough(path, bdf))];
}
