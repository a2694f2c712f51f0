/** File systems of the host's that a guest has mounted by a virtio function: virtiofs and 9p. They have no block device. */

import type { MachineRoots } from "../../sysfs/machine-roots.ts";
import { readAttribute, readFolder, readLinkName } from "../../sysfs/sysfs.ts";
import type { Mount } from "../machine/mounts.ts";
import { classDevices, leadsThrough } from "../machine/sysfs-paths.ts";

/** A share that the function carries; its tag is null where the kernel does not tell it. */
interface Share {
  readonly type: "9p" | "virtiofs";
  readonly tag: string | null;
}

export function shareUses(roots: MachineRoots, bdf: string, mounts: readonly Mount[]): string[] {
  const all = sharesOf(roots);
  return all
    .filter(({ path }) => leadsThrough(path, bdf))
    .flatMap(({ type, tag }) => {
      const others = all.filter((other) => other.type === type);
      const own = mounts.filter(
        (mount) =>
          mount.type === type && (tag === null ? mayBeOf(mount, others) : mount.sources.includes(tag)),
      );
      const doubt = tag === null && others.length > 1 ? ", which may be this one's" : "";
      return own.map(({ point, sources }) => `${type} share ${sources[0]} is mounted on ${point}${doubt}`);
    });
}

/** A mount is not this share's if another's tag says that it is that one's. */
function mayBeOf({ sources }: Mount, shares: readonly Share[]): boolean {
  return !shares.some(({ tag }) => tag !== null && sources.includes(tag));
}

function sharesOf({ sys }: MachineRoots): (Share & { readonly path: string })[] {
  const tags = virtiofsTags(sys);
  return classDevices(sys, "bus/virtio/devices").flatMap(({ name, path }): (Share & { path: string })[] => {
    const driver = readLinkName(path, "driver");
    if (driver === "virtiofs") return [{ type: "virtiofs", tag: tags.get(name) ?? null, path }];
    return driver === "9pnet_virtio"
      ? [{ type: "9p", tag: tagOf(readAttribute(path, "mount_tag")), path }]
      : [];
  });
}

/** 9p's attribute ends in a NUL (p9_mount_tag_show). */
function tagOf(text: string | null): string | null {
  return text?.replace(/\0.*$/s, "") ?? null;
}

/** `fs/virtiofs/N/tag`, beside a link to the device, since Linux 6.9. */
function virtiofsTags(sys: string): ReadonlyMap<string, string> {
  const tags = new Map<string, string>();
  for (const entry of readFolder(sys, "fs/virtiofs") ?? []) {
    const tag = readAttribute(sys, "fs/virtiofs", entry, "tag");
    const device = readLinkName(sys, "fs/virtiofs", entry, "device");
    if (tag !== null && device !== null) tags.set(device, tag);
  }
  return tags;
}
