/** Tells from a mapping's path what kind of device memory it may be. */

import { fullBdf } from "../../vfio/sysfs/bdf.ts";
import type { Vma } from "./vma.ts";

/** The file behind a mapping of device memory. */
export type DeviceFile =
  /** A VFIO device reached by its group: the path does not say which device. */
  | { readonly kind: "vfio-group" }
  /** A VFIO device's own file, `/dev/vfio/devices/vfio1`: `name` is `vfio1`; `noiommu-vfio1` where no IOMMU is behind it. */
  | { readonly kind: "vfio-cdev"; readonly name: string }
  /**
   * A BAR by the dma-buf that vfio-pci makes for it: the device's address, and the region where it is in the name; else it
   * is in the offset.
   */
  | { readonly kind: "vfio-dmabuf"; readonly device: string; readonly region: number | null }
  /** `resource2` or `resource2_wc` of a PCI device in sysfs. */
  | { readonly kind: "sysfs"; readonly device: string; readonly region: number; readonly file: string }
  /** A PCI device's file below `/proc/bus/pci`: which BAR, the offset says. */
  | { readonly kind: "proc-bus-pci"; readonly device: string }
  /** `/dev/uio0`: `name` is `uio0`. */
  | { readonly kind: "uio"; readonly name: string }
  /** `/dev/mem`: the offset is a physical address. */
  | { readonly kind: "mem" }
  /** Memory of a GPU's that the system can use, `/dev/egm4`: `name` is `egm4`. */
  | { readonly kind: "egm"; readonly name: string }
  /**
   * The memory of a vfio-user device that hugebar serves, at that socket, by its own account. Another server's bears any
   * name, and so does the guest's memory, which a client shares with its servers, vfio-user and vhost-user alike.
   */
  | { readonly kind: "vfio-user"; readonly region: number | null; readonly socket: string | null };

// A process in another mount namespace may show the path from the root of its /dev instead of "/dev" (d_path).
const CDEV = /^(?:\/dev)?\/vfio\/devices\/((?:noiommu-)?vfio\d{1,9})$/;
const NODE = /^(?:\/dev)?\/(uio\d{1,9}|egm\d{1,9}|mem)$/;
const SYSFS = /\/([^/]+)\/(resource([0-5])(?:_wc)?)$/;
/** `/proc/bus/pci/01/00.0`; beyond domain 0 `/proc/bus/pci/0009:01/00.0` (drivers/pci/proc.c, pci_proc_attach_device). */
const PROC_BUS_PCI = /\/bus\/pci\/([0-9a-f]{4,8}:)?([0-9a-f]{2})\/([0-9a-f]{2}\.[0-7])$/;
/** The names that "vfio/pci: Add mmap() for DMABUFs" gives: `vfio0:0000:00:03.0`, with `/1` behind it for BAR 1. */
const DMABUF = /^\/dmabuf:(?:vfio\d{1,9}:)?([0-9a-f:.]{12,16})(?:\/([0-5]))?$/;
/** The name that `vfio-user/server/served-region.ts` gives a region's memory. */
const VFIO_USER = /^\/memfd:hugebar-device(?:-(\d{1,2})(?::(\/.+))?)?$/s;
const DELETED = " (deleted)";

/** What the mapping maps, by its path and file system; null where it is no device's. */
export function deviceFileOf({
  path: shown,
  dev,
}: Pick<Vma, "path"> & Partial<Pick<Vma, "dev">>): DeviceFile | null {
  if (shown === "anon_inode:[vfio-device]") return { kind: "vfio-group" };
  // The device may be gone (hot unplug), its mapping not.
  const path = shown.endsWith(DELETED) ? shown.slice(0, -DELETED.length) : shown;
  const cdev = CDEV.exec(path)?.[1];
  if (cdev !== undefined) return isNode(path, dev) ? { kind: "vfio-cdev", name: cdev } : null;
  const node = NODE.exec(path)?.[1];
  if (node !== undefined) return nodeFile(node, path, dev);
  const elsewhere = dev !== undefined && isKernelMade(dev) ? mountedElsewhere(path) : null;
  if (elsewhere !== null) return elsewhere;
  const served = VFIO_USER.exec(path);
  if (served !== null) {
    const [, region, socket = null] = served;
    return { kind: "vfio-user", region: region === undefined ? null : Number(region), socket };
  }
  return dev === undefined || isKernelMade(dev) ? kernelFile(path) : null;
}

/** A file system without a disk below it, as sysfs, procfs and devtmpfs are: their major number is 0. */
function isKernelMade(dev: string): boolean {
  return /^0+:/.test(dev);
}

/** The machine's /dev in a container that has it at another place: `/host/dev/vfio/devices/vfio0`. */
function mountedElsewhere(path: string): DeviceFile | null {
  const inDev = /^\/[^\n]*?(\/dev\/(?:vfio\/devices\/)?[^/\n]+)$/.exec(path)?.[1] ?? "";
  const cdev = CDEV.exec(inDev)?.[1];
  if (cdev !== undefined) return { kind: "vfio-cdev", name: cdev };
  const node = NODE.exec(inDev)?.[1];
  return node === undefined ? null : nodeFile(node, inDev, undefined);
}

/** From the root of another /dev a node's name is any file's, but for the file system that it is in. */
function isNode(path: string, dev: string | undefined): boolean {
  return path.startsWith("/dev/") || dev === undefined || isKernelMade(dev);
}

function nodeFile(name: string, path: string, dev: string | undefined): DeviceFile | null {
  if (!isNode(path, dev)) return null;
  if (name === "mem") return { kind: "mem" };
  return name.startsWith("egm") ? { kind: "egm", name } : { kind: "uio", name };
}

/** A file of sysfs, procfs or the kernel's dma-bufs. */
function kernelFile(path: string): DeviceFile | null {
  const [, buffer = "", bar] = DMABUF.exec(path) ?? [];
  if (isFullBdf(buffer)) {
    return { kind: "vfio-dmabuf", device: buffer, region: bar === undefined ? null : Number(bar) };
  }
  const [, domain = "0000:", bus = "", slot = ""] = PROC_BUS_PCI.exec(path) ?? [];
  const behind = `${domain}${bus}:${slot}`;
  if (isFullBdf(behind)) return { kind: "proc-bus-pci", device: behind };
  const [, device = "", file = "", region = ""] = SYSFS.exec(path) ?? [];
  return isFullBdf(device) ? { kind: "sysfs", device, region: Number(region), file } : null;
}

function isFullBdf(text: string): boolean {
  return fullBdf(text) === text;
}
