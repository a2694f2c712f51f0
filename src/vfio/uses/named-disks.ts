/** What a disk is called below `/dev`. */

import type { MachineRoots } from "../sysfs/machine-roots.ts";
import type { Disk } from "./block-device.ts";
import { disksOf, nodesOf } from "./block-devices.ts";
import { udevRecord } from "./udev-database.ts";

/** A disk with all that it is called below `/dev`. */
export interface NamedDisk extends Disk {
  readonly nodes: ReadonlySet<string>;
}

/** The function's disks, with what is built on them. */
export function namedDisks(roots: MachineRoots, bdf: string): NamedDisk[] {
  return disksOf(roots, bdf).map((disk) => {
    const links = udevRecord(roots, disk.number)?.links ?? [];
    return Object.assign(disk, { nodes: new Set([...nodesOf(disk), ...links]) });
  });
}
