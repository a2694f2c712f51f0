/** Tells from a mapping's path what kind of device memory it may be. */

import { fullBdf } from "../../vfio/bdf.ts";
import type { Vma } from "./vma.ts";

/** The file behind a mapping of device memory. */
export type DeviceFile =
  /** A VFIO device reached by its group: the path does not say which device. */
  | { readonly kind: "vfio-group" }
  /** A VFIO device's own file, `/dev/vfio/devices/vfio1`: `name` is `vfio1`. */
  | { readonly kind: "vfio-cdev"; readonly name: string }
  /** `resource2` or `resource2_wc` of a PCI device in sysfs. */
  | { readonly kind: "sysfs"; readonly device: string; readonly region: number; readonly file: string }
  /** `/dev/uio0`: `name` is `uio0`. */
  | { readonly kind: "uio"; readonly name: string }
  /** `/dev/mem`: the offset is a physical address. */
  | { readonly kind: "mem" }
  /**
   * The memory of a vfio-user device that hugebar serves, at that socket, by its own account. Another server's bears any
   * name, and so does the guest's memory, which a client shares with its servers, vfio-user and vhost-user alike.
   */
  | { readonly kind: "vfio-user"; readonly region: number | null; readonly socket: string | null };

// A process in another mount namespace may show the path from the root of its /dev instead of "/dev" (d_path).
const CDEV = /^(?:\/dev)?\/vfio\/devices\/(vfio\d{1,9})$/;
const SYSFS = /\/([^/]+)\/(resource([0-5])(?:_wc)?)$/;
const UIO = /^\/dev\/(uio\d{1,9})$/;
/** The name that `vfio-user/server/parts/served-region.ts` gives a region's memory. */
const VFIO_USER = /^\/memfd:hugebar-device(?:-(\d{1,2})(?::(\/.+))?)?$/s;
const DELETED = " (deleted)";

/** What the mapping maps, by its path alone; null where it is no device's. */
export function deviceFileOf({ path: shown }: Pick<Vma, "path">): DeviceFile | null {
  if (shown === "anon_inode:[vfio-device]") return { kind: "vfio-group" };
  // The device may be gone (hot unplug), its mapping not.
  const path = shown.endsWith(DELETED) ? shown.slice(0, -DELETED.length) : shown;
  if (path === "/dev/mem") return { kind: "mem" };
  const cdev = CDEV.exec(path)?.[1];
  if (cdev !== undefined) return { kind: "vfio-cdev", name: cdev };
  const uio = UIO.exec(path)?.[1];
  if (uio !== undefined) return { kind: "uio", name: uio };
  const served = VFIO_USER.exec(path);
  if (served !== null) {
    const [, region, socket = null] = served;
    return { kind: "vfio-user", region: region === undefined ? null : Number(region), socket };
  }
  const [, device, file, region] = SYSFS.exec(path) ?? [];
  if (device === undefined || file === undefined || region === undefined) return null;
  if (fullBdf(device) !== device) return null;
  return { kind: "sysfs", device, region: Number(region), file };
}
