/** Which pool a disk is of, by ZFS' own word: the label on the disk, and zpool.cache. */

import { closeSync, constants, openSync, readFileSync, readSync } from "node:fs";
import { besideSys, type MachineRoots } from "../../sysfs/machine-roots.ts";
import { parseNvList, type NvList } from "./nvlist.ts";

/** The list in the first of a disk's four labels (OpenZFS, include/sys/vdev_impl.h: vdev_phys of vdev_label). */
const LABEL_OFFSET = 16 * 1024;
const LABEL_SIZE = 112 * 1024;

/** The name of the pool in a disk's label; null where it has none, or cannot be read. */
export function poolOnDisk(path: string): string | null {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    try {
      const bytes = Buffer.alloc(LABEL_SIZE);
      const length = readSync(fd, bytes, 0, LABEL_SIZE, LABEL_OFFSET);
      return parseNvList(bytes.subarray(0, length))?.texts.get("name") ?? null;
    } finally {
      closeSync(fd);
    }
  } catch {
    return null;
  }
}

/** Names below `/dev` of each pool's disks, by zpool.cache: of the pools that are to be imported again at the next start. */
export function cachedPools(roots: MachineRoots): ReadonlyMap<string, ReadonlySet<string>> {
  const pools = new Map<string, ReadonlySet<string>>();
  let cache: NvList | null;
  try {
    cache = parseNvList(readFileSync(besideSys(roots, "etc/zfs/zpool.cache")));
  } catch {
    return pools;
  }
  for (const [name, [config]] of cache?.lists ?? []) {
    if (config !== undefined) pools.set(name, new Set(pathsIn(config)));
  }
  return pools;
}

/** In mirrors and all else that devices are put together to. */
function pathsIn({ texts, lists }: NvList): string[] {
  const path = texts.get("path");
  const below = ["vdev_tree", "children", "spares", "l2cache"].flatMap((name) => lists.get(name) ?? []);
  return [...(path === undefined ? [] : [path]), ...below.flatMap(pathsIn)];
}
