/** Unmasks files that only bear a device file's name. */

import { statfsSync, statSync, type BigIntStats } from "node:fs";
import { join } from "node:path";
import type { DeviceFile } from "../proc/device-file.ts";
import type { MachineRoots } from "../../vfio/device-uses.ts";
import { readTextOrNull } from "../proc/read-file.ts";
import type { Vma } from "../proc/vma.ts";

/**
 * Whether the mapping is of the device that its path says. Anyone can name a file `resource2`; the kernel's own link to
 * the mapped file (`map_files`, readable with CAP_CHECKPOINT_RESTORE) tells which one it is. Without it, as in a
 * recorded machine, the path is believed.
 */
export function confirmDevice({ proc, sys }: MachineRoots, pid: number, vma: Vma, file: DeviceFile): boolean {
  // What has no file in a file system of its own bears the name that the kernel gives.
  if (file.kind === "vfio-group" || file.kind === "vfio-user" || file.kind === "vfio-dmabuf") return true;
  const range = `${vma.start.toString(16)}-${vma.end.toString(16)}`;
  const link = join(proc, `${pid}/map_files/${range}`);
  const mapped = statOrNull(link);
  if (mapped === null) return true;
  switch (file.kind) {
    case "mem":
      return isDevice(mapped, "1:1");
    case "uio":
      return isDevice(mapped, readTextOrNull(join(sys, "class/uio", file.name, "dev")));
    case "vfio-cdev":
      return isDevice(mapped, readTextOrNull(join(sys, "class/vfio-dev", file.name, "dev")));
    case "egm":
      return mapped.isCharacterDevice();
    case "sysfs":
      return isOfFileSystem(link, SYSFS_MAGIC);
    case "proc-bus-pci":
      return isOfFileSystem(link, PROC_SUPER_MAGIC);
  }
}

/** linux/magic.h. Only the kernel makes files there, so their names are true. */
const SYSFS_MAGIC = 0x6265_6572n;
const PROC_SUPER_MAGIC = 0x9fa0n;

function isOfFileSystem(path: string, magic: bigint): boolean {
  try {
    return statfsSync(path, { bigint: true }).type === magic;
  } catch {
    return true;
  }
}

/** @param numbers `major:minor` in decimal, as sysfs' `dev` has it; null where it cannot be read */
function isDevice(stats: BigIntStats, numbers: string | null): boolean {
  if (!stats.isCharacterDevice()) return false;
  if (numbers === null) return true;
  // glibc's gnu_dev_major and gnu_dev_minor
  const major = ((stats.rdev >> 8n) & 0xfffn) | ((stats.rdev >> 32n) & 0xffff_f000n);
  const minor = (stats.rdev & 0xffn) | ((stats.rdev >> 12n) & 0xffff_ff00n);
  return `${major}:${minor}` === numbers.trim();
}

function statOrNull(path: string): BigIntStats | null {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return null;
  }
}
