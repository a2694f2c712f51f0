/** Memory that the machine has through a function: CXL regions, and what virtio-mem has plugged in. */

import type { MachineRoots } from "../sysfs/machine-roots.ts";
import { readFolder, readLinkName } from "../sysfs/sysfs.ts";
import { namesWithin } from "./machine/iomem.ts";
import { textOf } from "./machine/reading.ts";
import { classDevices, followLink, leadsThrough, type ClassDevice } from "./machine/sysfs-paths.ts";

export function memoryUses(roots: MachineRoots, bdf: string): string[] {
  return [...cxlUses(roots, bdf), ...virtioMemUses(roots, bdf)];
}

/**
 * A region is put together of endpoints' decoders; the endpoint's `uport` is the memory device, which hangs below the PCI
 * function (Documentation/ABI/testing/sysfs-bus-cxl).
 */
function cxlUses({ sys }: MachineRoots, bdf: string): string[] {
  const all = classDevices(sys, "bus/cxl/devices");
  const endpoints = all.filter(
    ({ name, path }) => name.startsWith("endpoint") && leadsThrough(followLink(`${path}/uport`), bdf),
  );
  const decoders = all.filter(
    ({ name, path }) =>
      name.startsWith("decoder") && endpoints.some((endpoint) => leadsThrough(path, endpoint.name)),
  );
  const named = decoders.map(({ path }) => textOf(path, "region").trim());
  const claiming = all
    .filter(({ name, path }) => /^region\d+$/.test(name) && hasTarget(path, decoders))
    .map(({ name }) => name);
  return [...new Set([...named, ...claiming])]
    .filter((region) => region !== "")
    .map((region) => `memory of the machine is on it (CXL ${region}${daxUse(sys, region)})`);
}

function hasTarget(region: string, decoders: readonly ClassDevice[]): boolean {
  return (readFolder(region) ?? [])
    .filter((file) => /^target\d+$/.test(file))
    .some((file) => decoders.some(({ name }) => name === textOf(region, file).trim()));
}

/** `kmem` makes a region ordinary memory. */
function daxUse(sys: string, region: string): string {
  const devices = classDevices(sys, "bus/dax/devices").filter(({ path }) => leadsThrough(path, region));
  const isSystem = devices.some(({ path }) => readLinkName(path, "driver") === "kmem");
  const names = devices.map(({ name }) => name).join(", ");
  return names === "" ? "" : `, ${names}${isSystem ? ", system memory" : ""}`;
}

/** In `/proc/iomem` its memory lies within the virtio device's (virtio_mem_add_memory). */
function virtioMemUses(roots: MachineRoots, bdf: string): string[] {
  return classDevices(roots.sys, "bus/virtio/devices")
    .filter(({ path }) => leadsThrough(path, bdf) && readLinkName(path, "driver") === "virtio_mem")
    .filter(({ name }) => namesWithin(roots, name).some((inner) => inner.startsWith("System RAM")))
    .map(({ name }) => `memory of the machine is on it (virtio-mem, ${name})`);
}
