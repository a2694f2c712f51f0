/** What a PCI device does for its machine right now, so that nobody hands it over by accident. */

import { readlinkSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { readAttribute, readFolder, readLinkName, readNumber } from "./sysfs.ts";

/** `net/if.h`: the interface is switched on by its administrator. */
const IFF_UP = 0x1;

/** Where a machine's files are: what stands for `/sys` and `/proc`. */
export interface MachineRoots {
  readonly sys: string;
  readonly proc: string;
}

/**
 * The uses of a device that losing it would hurt: mounted file systems and swap on its disks, network interfaces that
 * are up. Each is a phrase for a message: `/dev/nvme0n1p2 is mounted on /home`.
 */
export function deviceUses(roots: MachineRoots, bdf: string): string[] {
  return [...mountsOf(roots, bdf), ...interfacesOf(roots, bdf)];
}

function interfacesOf({ sys }: MachineRoots, bdf: string): string[] {
  return namesBehind(sys, "class/net", bdf)
    .filter((name) => ((readNumber(sys, "class/net", name, "flags") ?? 0) & IFF_UP) !== 0)
    .map((name) => `network interface ${name} is up`);
}

function mountsOf(roots: MachineRoots, bdf: string): string[] {
  const { sys, proc } = roots;
  const disks = new Set<string>();
  for (const name of namesBehind(sys, "class/block", bdf)) addWithHolders(sys, name, disks);
  const mounts = readMounts(proc);
  const uses: string[] = [];
  for (const name of disks) {
    const number = readAttribute(sys, "class/block", name, "dev");
    for (const { device, source, point } of mounts) {
      if (device === number || source === `/dev/${name}`) uses.push(`/dev/${name} is mounted on ${point}`);
    }
    if (isSwap(proc, name)) uses.push(`/dev/${name} is swap space`);
  }
  return uses;
}

/** The names in a folder of `/sys/class` whose devices lie behind the PCI device. */
function namesBehind(sys: string, folder: string, bdf: string): string[] {
  return (readFolder(sys, folder) ?? []).filter((name) => {
    try {
      return realpathSync(join(sys, folder, name))
        .split("/")
        .includes(bdf);
    } catch {
      return false;
    }
  });
}

/** Adds a disk and what is built on it, over every level: LUKS, LVM, MD. */
function addWithHolders(sys: string, name: string, disks: Set<string>): void {
  if (disks.has(name)) return;
  disks.add(name);
  for (const holder of readFolder(sys, "class/block", name, "holders") ?? [])
    addWithHolders(sys, holder, disks);
}

interface Mount {
  /** `MAJOR:MINOR`; a file system over several disks (btrfs) has a number of its own. */
  readonly device: string;
  readonly point: string;
  readonly source: string;
}

/** `/proc/PID/mountinfo`: fields 3 and 5, and the second one behind the lone hyphen (proc_pid_mountinfo(5)). */
function readMounts(proc: string): Mount[] {
  const text = readAttribute(proc, "1/mountinfo") ?? readAttribute(proc, "self/mountinfo") ?? "";
  return text.split("\n").flatMap((line) => {
    const [mount = "", fileSystem = ""] = line.split(" - ");
    const [, , device, , point] = mount.split(" ");
    const [, source = ""] = fileSystem.split(" ");
    return device === undefined || point === undefined ? [] : [{ device, point, source }];
  });
}

function isSwap(proc: string, name: string): boolean {
  const lines = (readAttribute(proc, "swaps") ?? "").split("\n");
  return lines.some((line) => line.split(/\s/)[0] === `/dev/${name}`);
}

/** The processes that hold the device's VFIO files open, as far as this user may look. */
export function vfioHolders({ sys, proc }: MachineRoots, bdf: string): number[] {
  const folder = join(sys, "bus/pci/devices", bdf);
  const group = readLinkName(folder, "iommu_group");
  const files = new Set([
    ...(readFolder(folder, "vfio-dev") ?? []).map((name) => `/dev/vfio/devices/${name}`),
    ...(group === null ? [] : [`/dev/vfio/${group}`, `/dev/vfio/noiommu-${group}`]),
  ]);
  return (readFolder(proc) ?? [])
    .filter((name) => /^\d+$/.test(name) && holdsOneOf(join(proc, name, "fd"), files))
    .map(Number);
}

function holdsOneOf(folder: string, files: ReadonlySet<string>): boolean {
  try {
    return (readFolder(folder) ?? []).some((fd) => files.has(readlinkSync(join(folder, fd))));
  } catch {
    return false; // Another user's process.
  }
}
