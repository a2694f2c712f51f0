/**
 * The kernel's own word about a disk: an exclusive open fails with EBUSY while anybody in the kernel has it (a file
 * system, swap, MD, device mapper, ZFS, bcache, an exporter), whether or not sysfs says so (bd_prepare_to_claim).
 */

import { O_CLOEXEC, O_EXCL, O_NONBLOCK, O_RDONLY } from "../../../system/constants.ts";
import { SystemCallError, type System } from "../../../system/system.ts";
import { statSync } from "node:fs";
import { type BlockDevice, nodeOf } from "../machine/block-device.ts";
import { numberText } from "../machine/processes.ts";

export interface ExclusiveOpens {
  readonly busy: ReadonlySet<string>;
  readonly free: ReadonlySet<string>;
  /** Those that could not be opened for another reason, with its errno. */
  readonly unknown: readonly { readonly name: string; readonly errno: string }[];
}

/** Opens each and closes it again. Reading only: closing then makes udev look at nothing. */
export function exclusiveOpens(
  disks: readonly BlockDevice[],
  system: Pick<System, "open" | "close">,
): ExclusiveOpens {
  const busy = new Set<string>();
  const free = new Set<string>();
  const unknown: { name: string; errno: string }[] = [];
  for (const disk of disks) {
    if (disk.number === null) continue;
    const claim = claimDisk(disk, system);
    if (typeof claim === "number") {
      system.close(claim);
      free.add(disk.name);
    } else if (claim === "EBUSY") busy.add(disk.name);
    // ENOMEDIUM: a drive without a disk, which nobody has.
    else if (claim === "ENOMEDIUM") free.add(disk.name);
    else unknown.push({ name: disk.name, errno: claim });
  }
  return { busy, free, unknown };
}

/** The descriptor, or the name of the errno. While it is open nobody else can mount the disk or build on it. */
export function claimDisk(
  { name, number }: BlockDevice,
  system: Pick<System, "open" | "close">,
): number | string {
  const path = nodeOf(name);
  try {
    // A container's /dev can have another device, or a plain file, under the name.
    const file = statSync(path);
    if (!file.isBlockDevice() || numberText(file.rdev) !== number) return "ENODEV";
    return system.open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
  } catch (error) {
    if (error instanceof SystemCallError) return error.code;
    return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "EIO";
  }
}
