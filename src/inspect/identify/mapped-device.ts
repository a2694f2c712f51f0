/** Finds the device behind each mapping of one process, reading no more of /proc and /sys than that takes. */

import { join } from "node:path";
import type { DeviceFile } from "../proc/device-file.ts";
import { parseHex } from "../proc/hex.ts";
import { identifyPhysical, identifySysfs, identifyVfio, NOT_IDENTIFIED, type Identity } from "./identify.ts";
import type { Machine } from "../proc/machine.ts";
import type { PciDevice } from "../../vfio/pci-device.ts";
import type { DeviceIndex } from "./device-index.ts";
import { readVfioFiles } from "../proc/process.ts";
import { readTextOrNull } from "../proc/read-file.ts";
import { socketFinder } from "./vfio-user-server.ts";
import type { Vma } from "../proc/vma.ts";

/** Returns a function that identifies the mappings of the process `pid`. */
export function deviceFinder(
  machine: Machine,
  devices: DeviceIndex,
  pid: number,
): (vma: Vma, file: DeviceFile) => Identity {
  const { proc } = machine.roots;
  const socketOf = socketFinder(proc, pid);
  let candidates: readonly PciDevice[] | null = null;
  return (vma, file) => {
    switch (file.kind) {
      case "vfio-group":
        candidates ??= vfioCandidates(proc, pid, devices);
        return identifyVfio(vma, candidates, machine.kernelVersion);
      case "vfio-cdev": {
        const name = devices.nameOfCdev(file.name);
        const device = name === null ? null : devices.find(name);
        return { ...identifyVfio(vma, device === null ? [] : [device], machine.kernelVersion), device: name };
      }
      case "sysfs":
        return identifySysfs(vma, file, devices.find(file.device));
      case "uio":
        return identifyUio(machine, devices, vma, file.name);
      case "mem":
        return identifyPhysical(vma.offset, vma.size, devices.all());
      case "vfio-user":
        return identifyVfioUser(vma, file.region, socketOf(vma));
    }
  };
}

/** The devices that a VFIO mapping of the process may belong to: those it holds open, as closely as the kernel tells. */
function vfioCandidates(proc: string, pid: number, devices: DeviceIndex): PciDevice[] {
  const files = readVfioFiles(proc, pid);
  const told = files?.devices ?? [];
  const inGroups = (files?.groups ?? []).flatMap((group) => devices.namesInGroup(group));
  const names = [told, inGroups, devices.names()].find((some) => some.length > 0) ?? [];
  const found = names.map((name) => devices.find(name)).filter((device) => device !== null);
  // One that is not on PCI, or cannot be read, may be the very one: what is left says nothing then.
  if (found.length < names.length) return [];
  // A group also holds bridges and functions with other drivers; a mapping is of none of them.
  return told.length > 0 ? found : found.filter(({ boundToVfio }) => boundToVfio);
}

/** The memory of each region is a file of its own, in which the offset is that in the region. */
function identifyVfioUser({ offset }: Vma, region: number | null, socket: string | null): Identity {
  const device = socket === null ? null : `vfio-user:${socket}`;
  return { ...NOT_IDENTIFIED, device, region, offset: Number(offset), congruence: offset };
}

/** The offset in a uio file selects a map: page 0 is map 0, page 1 is map 1 (drivers/uio/uio.c, uio_find_mem_index). */
function identifyUio(machine: Machine, devices: DeviceIndex, vma: Vma, name: string): Identity {
  const device = devices.nameOfUio(name);
  const pageSize = BigInt(machine.model?.pageSize ?? 4096);
  const map = `map${vma.offset / pageSize}`;
  const text = readTextOrNull(join(machine.roots.sys, "class/uio", name, "maps", map, "addr"), 64) ?? "";
  const digits = /^0x([0-9a-f]{1,16})\s*$/.exec(text)?.[1];
  if (digits === undefined) return { ...NOT_IDENTIFIED, device };
  const physical = (parseHex(digits) / pageSize) * pageSize;
  const pci = device === null ? null : devices.find(device);
  return { ...identifyPhysical(physical, vma.size, pci === null ? [] : [pci]), device };
}
