/** Other functions that go when a function goes: its VFs, mediated devices, and what hangs below a VMD or a bridge. */

import { basename, join } from "node:path";
import type { MachineRoots } from "../sysfs/machine-roots.ts";
import { readFolder, readLinkName, readNumber } from "../sysfs/sysfs.ts";
import { classDevices, followLink, leadsThrough } from "./machine/sysfs-paths.ts";

/** The virtual functions that a physical function has made, `0000:4b:01.0`. */
export function virtualFunctions({ sys }: MachineRoots, bdf: string): string[] {
  const home = join(sys, "bus/pci/devices", bdf);
  const linked = (readFolder(home) ?? [])
    .filter((name) => /^virtfn\d+$/.test(name))
    .map((name) => basename(followLink(join(home, name))));
  const claiming = classDevices(sys, "bus/pci/devices")
    .filter(({ path }) => readLinkName(path, "physfn") === bdf)
    .map(({ name }) => name);
  return [...new Set([...linked, ...claiming])].sort();
}

/** How many the function says it has, which must not be fewer than those seen. */
export function virtualFunctionCount({ sys }: MachineRoots, bdf: string): number {
  return readNumber(sys, "bus/pci/devices", bdf, "sriov_numvfs") ?? 0;
}

/** The functions on buses below this one: behind a bridge, or in the domain of a VMD controller. */
export function functionsBelow({ sys }: MachineRoots, bdf: string): string[] {
  return classDevices(sys, "bus/pci/devices")
    .filter(({ name, path }) => name !== bdf && leadsThrough(path, bdf))
    .map(({ name }) => name);
}

/** The mediated devices that the function carries, by UUID, each with its IOMMU group. */
export function mediatedDevices(
  { sys }: MachineRoots,
  bdf: string,
): { uuid: string; group: string | null }[] {
  return classDevices(sys, "bus/mdev/devices")
    .filter(({ path }) => leadsThrough(path, bdf))
    .map(({ name, path }) => ({ uuid: name, group: readLinkName(path, "iommu_group") }));
}
