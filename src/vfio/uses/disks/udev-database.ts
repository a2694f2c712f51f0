/** What udev has found out about a block device: `/run/udev/data/bMAJOR:MINOR`, as `udevadm info` reads it. */

import { besideSys, type MachineRoots } from "../../sysfs/machine-roots.ts";
import { readOrDenied } from "../machine/reading.ts";

export interface UdevRecord {
  /** `ext4`, `zfs_member`; null where udev has found nothing it knows. */
  readonly fileSystem: string | null;
  /** It found the signs of several: ZFS leaves those of an older file system where they are. */
  readonly isAmbivalent: boolean;
  /** Of a ZFS member the pool's name. */
  readonly label: string | null;
  /** Links below `/dev`: `/dev/disk/by-id/…`. */
  readonly links: readonly string[];
}

/** Null where udev has no record of the device. */
export function udevRecord(roots: MachineRoots, number: string | null): UdevRecord | null {
  if (number === null) return null;
  const text = readOrDenied(besideSys(roots, "run/udev/data", `b${number}`));
  if (typeof text !== "string") return null;
  const property = (key: string): string | null => new RegExp(`^E:${key}=(.*)$`, "m").exec(text)?.[1] ?? null;
  return {
    fileSystem: property("ID_FS_TYPE"),
    isAmbivalent: property("ID_FS_AMBIVALENT") !== null,
    label: property("ID_FS_LABEL"),
    links: [...text.matchAll(/^S:(.+)$/gm)].map(([, link]) => `/dev/${link}`),
  };
}
