/** Finds the device behind each mapping of one process, reading no more of /proc and /sys than that takes. */

import { join } from "node:path";
import { fullBdf } from "../../vfio/sysfs/bdf.ts";
import { parseHex } from "../proc/hex.ts";
import type { Machine } from "../proc/machine.ts";
import { readTextOrNull } from "../proc/read-file.ts";
import type { Vma } from "../proc/vma.ts";
import type { FoundVma } from "../proc/device-vmas.ts";
import { remapsAtOnce } from "../../rules/drivers.ts";
import { readTogether } from "./assignment.ts";
import type { Candidate } from "./candidate.ts";
import type { DeviceIndex } from "./device-index.ts";
import {
  identifyByReadings,
  identifyDmabuf,
  identifyVfio,
  type OffsetRules,
  vfioReadings,
} from "./identify.ts";
import { identifyPhysical, identifySysfs } from "./identify-physical.ts";
import { type Identity, NOT_IDENTIFIED } from "./identity.ts";
import { readVfioFiles, type VfioFiles } from "./vfio-files.ts";
import { socketFinder } from "./vfio-user-server.ts";

/** Identifies the mappings of the process `pid`, in their order: those reached by VFIO's groups all together. */
export function identifyMappings(
  machine: Machine,
  devices: DeviceIndex,
  pid: number,
  found: readonly FoundVma[],
): Identity[] {
  const { proc } = machine.roots;
  // Where it cannot be found out, the smallest there is: a BAR below it is known to be mapped as a whole page.
  const rules = { kernelVersion: machine.kernelVersion, pageSize: machine.pageSize ?? 4096 };
  const socketOf = socketFinder(proc, pid);
  const byGroup = identifyByGroups(proc, pid, devices, found, rules);
  return found.map(({ vma, file }) => {
    switch (file.kind) {
      case "vfio-group":
        return byGroup.get(vma) ?? NOT_IDENTIFIED;
      case "vfio-cdev":
        return identifyCdev(vma, devices.ofCdev(file.name), rules);
      case "vfio-dmabuf":
        return identifyDmabuf(vma, file, devices.find(file.device), rules);
      case "sysfs":
        return identifySysfs(vma, file, devices.find(file.device), rules.pageSize);
      case "proc-bus-pci":
        return identifyProcBusPci(vma, file.device, devices, rules);
      case "uio":
        return identifyUio(machine, devices, vma, file.name, rules.pageSize);
      case "mem":
        return identifyPhysical(vma.offset, vma.size, devices.all(), rules.pageSize);
      case "egm":
        return { ...NOT_IDENTIFIED, device: file.name };
      case "vfio-user":
        return identifyVfioUser(vma, file.region, socketOf(vma));
    }
  });
}

function identifyByGroups(
  proc: string,
  pid: number,
  devices: DeviceIndex,
  found: readonly FoundVma[],
  rules: OffsetRules,
): ReadonlyMap<Vma, Identity> {
  const vmas = found.flatMap(({ vma, file }) => (file.kind === "vfio-group" ? [vma] : []));
  if (vmas.length === 0) return new Map();
  const files = readVfioFiles(proc, pid);
  const candidates = vfioCandidates(files, devices);
  const puzzles = vmas.map((vma) => ({ size: vma.size, readings: vfioReadings(vma, candidates, rules) }));
  const readings = readTogether(puzzles);
  return new Map(
    vmas.map((vma, index) => {
      const identity = identifyByReadings(vma, candidates, readings[index] ?? []);
      return [vma, { ...identity, blind: files === null }] as const;
    }),
  );
}

/** The devices that a VFIO mapping of the process may belong to: those it holds open, as closely as the kernel tells. */
function vfioCandidates(files: VfioFiles | null, devices: DeviceIndex): Candidate[] {
  const told = files?.devices ?? [];
  if (told.length > 0) return whole(told.map((path) => devices.ofPath(path)));
  const groups = files === null || files.groups.length === 0 ? devices.groups() : files.groups;
  const inGroups = groups.flatMap((group) => devices.inGroup(group));
  const all = inGroups.length > 0 ? inGroups : devices.names().map((name) => devices.ofPath(name));
  // A group also holds bridges and functions with other drivers; a mapping is of none of them.
  return whole(all).filter((candidate) => mayBeOpen(candidate));
}

function mayBeOpen(candidate: Candidate): boolean {
  switch (candidate.kind) {
    case "pci":
      return candidate.pci.boundToVfio;
    case "remapped":
      return remapsAtOnce(candidate.driver);
    case "mediated":
      return true;
  }
}

/** A device that cannot be read may be the very one: what is left says nothing then. */
function whole(candidates: readonly (Candidate | null)[]): Candidate[] {
  const read = candidates.filter((candidate) => candidate !== null);
  return read.length < candidates.length ? [] : read;
}

function identifyCdev(
  vma: Vma,
  found: { name: string; candidate: Candidate | null } | null,
  rules: OffsetRules,
): Identity {
  if (found === null) return identifyVfio(vma, [], rules);
  const { name, candidate } = found;
  return { ...identifyVfio(vma, candidate === null ? [] : [candidate], rules), device: name };
}

/** The offset is the address that the program found in the BAR: the bus's, which is the physical one on most machines. */
function identifyProcBusPci(
  vma: Vma,
  bdf: string,
  devices: DeviceIndex,
  { pageSize }: OffsetRules,
): Identity {
  const device = devices.find(bdf);
  const named = { ...NOT_IDENTIFIED, device: bdf, driver: device?.driver ?? null };
  if (device === null) return named;
  const identity = identifyPhysical(vma.offset, vma.size, [device], pageSize);
  return { ...identity, ...(identity.device === null ? named : {}) };
}

/** The memory of each region is a file of its own, in which the offset is that in the region. */
function identifyVfioUser({ offset }: Vma, region: number | null, socket: string | null): Identity {
  const device = socket === null ? null : `vfio-user:${socket}`;
  return { ...NOT_IDENTIFIED, device, region, offset: Number(offset), congruence: offset };
}

/** The offset in a uio file selects a map: page 0 is map 0, page 1 is map 1 (drivers/uio/uio.c, uio_find_mem_index). */
function identifyUio(
  machine: Machine,
  devices: DeviceIndex,
  vma: Vma,
  name: string,
  pageSize: number,
): Identity {
  const device = devices.nameOfUio(name);
  const map = `map${vma.offset / BigInt(pageSize)}`;
  const text = readTextOrNull(join(machine.roots.sys, "class/uio", name, "maps", map, "addr"), 64) ?? "";
  const digits = /^0x([0-9a-f]{1,16})\s*$/.exec(text)?.[1];
  const named = { ...NOT_IDENTIFIED, device: device ?? name };
  // Of memory of the kernel's own (UIO_MEM_LOGICAL and UIO_MEM_VIRTUAL) the file has the kernel's address.
  if (digits === undefined || parseHex(digits) >> 56n > 0n) return named;
  const physical = (parseHex(digits) / BigInt(pageSize)) * BigInt(pageSize);
  const pci = device === null || fullBdf(device) !== device ? null : devices.find(device);
  const identity = identifyPhysical(physical, vma.size, pci === null ? [] : [pci], pageSize);
  return { ...identity, device: device ?? name };
}
