/** The processes that hold VFIO's files of a function. */

import { join, relative } from "node:path";
import type { MachineRoots } from "../sysfs/machine-roots.ts";
import { readFolder, readLinkName } from "../sysfs/sysfs.ts";
import type { HeldFile } from "./machine/processes.ts";
import { followLink } from "./machine/sysfs-paths.ts";

/** Group and character device both; a group is held for all of its functions. */
export function vfioFiles({ sys }: MachineRoots, bdf: string): Set<string> {
  const folder = join(sys, "bus/pci/devices", bdf);
  const group = readLinkName(folder, "iommu_group");
  return new Set([
    ...(readFolder(folder, "vfio-dev") ?? []).map((name) => `/dev/vfio/devices/${name}`),
    // What `heldFiles` knows a nameless file by.
    join("/sys", relative(sys, followLink(folder))),
    ...(group === null ? [] : [`/dev/vfio/${group}`, `/dev/vfio/noiommu-${group}`]),
  ]);
}

export function holdersOf(files: ReadonlySet<string>, held: readonly HeldFile[]): number[] {
  const pids = held.filter(({ path }) => files.has(path.replace(/^.*(?=\/dev\/)/, ""))).map(({ pid }) => pid);
  return [...new Set(pids)];
}
