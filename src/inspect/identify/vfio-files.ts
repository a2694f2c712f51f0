/** What the open files of a process tell about its VFIO devices. */

import { join } from "node:path";
import { fieldOf, listFolderOrNull, readLinkOrNull, readTextOrNull } from "../proc/read-file.ts";

export interface VfioFiles {
  /** IOMMU groups it holds open (`/dev/vfio/12`). */
  readonly groups: readonly string[];
  /**
   * Devices it holds open, by their folders in sysfs, from `vfio-device-syspath` in fdinfo (Linux 6.18 and newer):
   * `/sys/devices/pci0000:00/0000:01:00.0`. Null where a device is open of which the kernel does not tell, so that there
   * may be more than these.
   */
  readonly devices: readonly string[] | null;
}

/** A process may hold very many files; VFIO's are among the first of any sane program. */
const MOST_FILES = 65536;

/** Null where the open files may not be looked at. */
export function readVfioFiles(proc: string, pid: number): VfioFiles | null {
  const folder = join(proc, `${pid}/fd`);
  const names = listFolderOrNull(folder)?.slice(0, MOST_FILES);
  if (names === undefined) return null;
  const groups = new Set<string>();
  const devices = new Set<string>();
  let untold = false;
  for (const name of names) {
    const target = readLinkOrNull(join(folder, name)) ?? "";
    // A program in a chroot has its /dev elsewhere.
    const group = /\/vfio\/((?:noiommu-)?\d{1,9})$/.exec(target)?.[1];
    if (group !== undefined) groups.add(group.replace("noiommu-", ""));
    if (target !== "anon_inode:[vfio-device]") continue;
    const path = fieldOf(readTextOrNull(join(proc, `${pid}/fdinfo`, name)) ?? "", "vfio-device-syspath");
    if (path === null) untold = true;
    else devices.add(path);
  }
  return { groups: [...groups], devices: untold ? null : [...devices] };
}
