/**
 * NVMe's native multipath: the disk that is used (`nvme0n1`, the head) hangs below the subsystem, a virtual device, and
 * not below a controller; the subsystem links to its controllers (drivers/nvme/host/core.c, multipath.c).
 */

import { join } from "node:path";
import { readAttribute, readFolder } from "../../sysfs/sysfs.ts";
import type { BlockDevice } from "../machine/block-device.ts";
import { portName } from "../machine/port-name.ts";
import { textOf } from "../machine/reading.ts";
import { classDevices, followLink, leadsThrough } from "../machine/sysfs-paths.ts";

/** One path to a namespace: subsystem, controller, head. */
const PATH_DEVICE = /^nvme(\d+)c\d+n(\d+)$/;

/** The names of the disks that the function's controllers lead to, also those that are reached by its ports. */
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
    // Without multipath a disk hangs below its controller.
    if (names.has(path.split("/").at(-2) ?? "")) heads.add(name);
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
  const ports = fibreChannelPorts(sys, bdf);
  const others = classDevices(sys, "class/nvme").filter(
    ({ path }) => leadsThrough(path, bdf) || isByPort(textOf(path, "address"), ports),
  );
  return [...below, ...others];
}

/** The adapter's ports: a controller that is reached over Fibre Channel is virtual, and names the port it goes by. */
function fibreChannelPorts(sys: string, bdf: string): string[] {
  return classDevices(sys, "class/fc_host")
    .filter(({ path }) => leadsThrough(path, bdf))
    .flatMap(({ path }) => portName(path) ?? []);
}

/** `traddr=nn-0x…:pn-0x…,host_traddr=nn-0x…:pn-0x…` */
function isByPort(address: string, ports: readonly string[]): boolean {
  const host = /host_traddr=nn-0x[0-9a-f]+:pn-0x([0-9a-f]+)/i.exec(address)?.[1];
  return host !== undefined && ports.includes(host.toLowerCase());
}
