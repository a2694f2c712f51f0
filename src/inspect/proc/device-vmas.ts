/** The device mappings of one process, from its maps. */

import { join } from "node:path";
import { deviceFileOf, type DeviceFile } from "./device-file.ts";
import { scanMaps } from "./maps-scanner.ts";
import { readLinkOrNull, unreadable, type Unreadable } from "./read-file.ts";
import { recordedRefusal } from "./recorded.ts";
import type { Vma } from "./vma.ts";

export interface FoundVma {
  readonly vma: Vma;
  readonly file: DeviceFile;
}

/** The VMAs of device memory in ascending order, with paths as the process sees them, or why they cannot be read. */
export function findDeviceVmas(proc: string, pid: number, buffer: Buffer): FoundVma[] | Unreadable {
  // The kernel hands maps out in pieces, and what changes in between may show twice: then it is read again.
  const insideRoot = rootPaths(proc, pid);
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const found: FoundVma[] = [];
    let end = 0n;
    let ordered = true;
    try {
      // Not by `join`: for a crowd of processes it shows in the time.
      scanMaps(`${proc}/${pid}/maps`, buffer, (shown) => {
        const vma = deviceFileOf(shown) === null ? insideRoot(shown) : shown;
        const file = deviceFileOf(vma);
        if (file === null) return;
        ordered &&= vma.start >= end;
        end = vma.end;
        found.push({ vma, file });
      });
    } catch (error) {
      const reason = unreadable(error);
      return reason === "gone" ? (recordedRefusal(proc, pid) ?? reason) : reason;
    }
    if (ordered) return found;
  }
  return "unreadable";
}

/**
 * Turns the path of a mapping into that inside the process's own root: a monitor in a chroot maps
 * `/srv/jail/dev/vfio/devices/vfio0`, as seen from outside.
 */
function rootPaths(proc: string, pid: number): (vma: Vma) => Vma {
  let root: string | null = null;
  return (vma) => {
    root ??= readLinkOrNull(join(proc, `${pid}/root`)) ?? "/";
    if (root === "/" || !vma.path.startsWith(`${root}/`)) return vma;
    return { ...vma, path: vma.path.slice(root.length) };
  };
}
