/** What a disk is called below `/dev`. */

import type { MachineRoots } from "../../sysfs/machine-roots.ts";
import type { Disk } from "../machine/block-device.ts";
import { allNodes, disksOf } from "./block-devices.ts";

/** A disk with all that it is called below `/dev`. */
export interface NamedDisk extends Disk {
  readonly nodes: ReadonlySet<string>;
}

/** The function's disks, with what is built on them. */
export function namedDisks(roots: MachineRoots, bdf: string): NamedDisk[] {
  return disksOf(roots, bdf).map((disk) => Object.assign(disk, { nodes: new Set(allNodes(roots, disk)) }));
}
