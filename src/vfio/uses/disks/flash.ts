/** Flash memory (MTD) of a function: UBI, and file systems that no block device stands for. */

import type { MachineRoots } from "../../sysfs/machine-roots.ts";
import { readAttribute, readNumber } from "../../sysfs/sysfs.ts";
import type { Mount } from "../machine/mounts.ts";
import { classDevices, leadsThrough } from "../machine/sysfs-paths.ts";

export function flashUses({ sys }: MachineRoots, bdf: string, mounts: readonly Mount[]): string[] {
  const own = classDevices(sys, "class/mtd").filter(
    ({ name, path }) => /^mtd\d+$/.test(name) && leadsThrough(path, bdf),
  );
  const volumes = classDevices(sys, "class/ubi").filter(({ name }) => /^ubi\d+$/.test(name));
  return own.flatMap(({ name, path }) => {
    const ubi = volumes.find((volume) => readNumber(volume.path, "mtd_num") === Number(name.slice(3)))?.name;
    // As `mount` may name it (mtdsuper.c).
    const label = `mtd:${readAttribute(path, "name") ?? ""}`;
    const places = mounts
      .filter(({ type, sources }) =>
        type === "jffs2"
          ? sources.includes(name) || sources.includes(label)
          : type === "ubifs" && ubi !== undefined && sources.some((source) => isVolumeOf(source, ubi)),
      )
      .map(({ point }) => `/dev/${name} is mounted on ${point}`);
    return ubi === undefined ? places : [`/dev/${ubi} is built on /dev/${name}`].concat(places);
  });
}

/** `ubi0:rootfs`, `ubi0_0`, `/dev/ubi0_0` (fs/ubifs/super.c). */
function isVolumeOf(source: string, ubi: string): boolean {
  return new RegExp(`^(?:/dev/)?${ubi}(?:[:_!]|$)`).test(source);
}
