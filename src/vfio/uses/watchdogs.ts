/** The watchdogs of a function. Not all drivers say which device theirs is of: i6300esb's is a virtual one. */

import { join } from "node:path";
import type { MachineRoots } from "../sysfs/machine-roots.ts";
import { readAttribute, readLinkName } from "../sysfs/sysfs.ts";
import { classDevices, leadsThrough } from "./machine/sysfs-paths.ts";

export interface Watchdog {
  readonly name: string;
  readonly number: string | null;
  /** The kernel has it on: it restarts the machine when nobody feeds it any more. */
  readonly isActive: boolean;
}

export function watchdogsOf({ sys }: MachineRoots, bdf: string): Watchdog[] {
  const driver = readLinkName(join(sys, "bus/pci/devices", bdf), "driver");
  return classDevices(sys, "class/watchdog")
    .filter(
      ({ path }) =>
        leadsThrough(path, bdf) ||
        (driver !== null && leadsThrough(path, "virtual") && readAttribute(path, "identity") === driver),
    )
    .map(({ name, path }) => ({
      name,
      number: readAttribute(path, "dev"),
      isActive: readAttribute(path, "state") === "active",
    }));
}
