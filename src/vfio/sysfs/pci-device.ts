/** PCI devices as sysfs shows them, below `ROOT/bus/pci/devices`. */

import { join } from "node:path";
import { hugebarError } from "../../errors.ts";
import { compareBdf } from "./bdf.ts";
import { parseResources, type PciResource } from "./pci-resources.ts";
import { hasOwnMemory } from "../../rules/drivers.ts";
import { readAttribute, readBytes, readFolder, readLinkName, readNumber } from "./sysfs.ts";

/** Where they stand below the device's folder: its memory's physical address, and its bytes. */
export const OWN_MEMORY_PROPERTIES = ["nvidia,gpu-mem-base-pa", "nvidia,gpu-mem-size"] as const;

export interface PciDevice {
  /** `0000:01:00.0` */
  readonly bdf: string;
  readonly vendor: number;
  readonly device: number;
  /** Class, subclass and programming interface: 0x010802 for NVMe. */
  readonly class: number;
  /** The driver bound to it, null without one. */
  readonly driver: string | null;
  /** Whether that is a VFIO driver: `vfio-pci`, or a variant such as `nvgrace-gpu-vfio-pci`. */
  readonly boundToVfio: boolean;
  /** Its character device below `/dev/vfio/devices`, `vfio0`; null where the kernel makes none. */
  readonly cdev: string | null;
  /** Null for a device behind no IOMMU. */
  readonly iommuGroup: number | null;
  /** Null on a machine without NUMA nodes. */
  readonly numaNode: number | null;
  /** BARs and expansion ROM. */
  readonly resources: readonly PciResource[];
  /** What its driver gives as regions beside BARs, as the firmware's device tree tells of it; null where nothing does. */
  readonly ownMemory: OwnMemory | null;
}

export interface OwnMemory {
  /** Its physical address, and its bytes. */
  readonly address: bigint;
  readonly size: number;
}

/** All PCI devices, in the order of their addresses. `sys` is the folder that stands for `/sys`. */
export function listPciDevices(sys: string): PciDevice[] {
  const names = [...(readFolder(sys, "bus/pci/devices") ?? [])].sort(compareBdf);
  return names.flatMap((bdf) => findPciDevice(sys, bdf) ?? []);
}

/** The device at `bdf`, an address in full. @throws ERR_NO_DEVICE */
export function readPciDevice(sys: string, bdf: string): PciDevice {
  const device = findPciDevice(sys, bdf);
  if (device !== null) return device;
  throw hugebarError("ERR_NO_DEVICE", {
    device: bdf,
    problem: "there is no such PCI device; `hugebar devices` lists them",
  });
}

/** The folder of the device in sysfs. */
export function pciDevicePath(sys: string, bdf: string): string {
  return join(sys, "bus/pci/devices", bdf);
}

/** As `readPciDevice`, but null where there is no such device. */
export function findPciDevice(sys: string, bdf: string): PciDevice | null {
  const folder = pciDevicePath(sys, bdf);
  const vendor = readNumber(folder, "vendor");
  const device = readNumber(folder, "device");
  const pciClass = readNumber(folder, "class");
  if (vendor === null || device === null || pciClass === null) return null;
  const driver = readLinkName(folder, "driver");
  const vfioDevice = readFolder(folder, "vfio-dev")?.[0];
  const iommuGroup = readLinkName(folder, "iommu_group");
  const numaNode = readNumber(folder, "numa_node");
  return {
    bdf,
    vendor,
    device,
    class: pciClass,
    driver,
    // Linux 6.1 and later make a vfio-dev folder whatever the driver's name; before, the name must tell.
    boundToVfio: driver !== null && (vfioDevice !== undefined || /vfio[-_]pci$/.test(driver)),
    cdev:
      vfioDevice !== undefined && readAttribute(folder, "vfio-dev", vfioDevice, "dev") !== null
        ? vfioDevice
        : null,
    iommuGroup: iommuGroup === null ? null : Number(iommuGroup),
    numaNode: numaNode === null || numaNode < 0 ? null : numaNode,
    resources: parseResources(readAttribute(folder, "resource") ?? ""),
    ownMemory: hasOwnMemory(driver) ? readOwnMemory(folder) : null,
  };
}

/** nvgrace_gpu_fetch_memory_property: by ACPI such properties are not in sysfs. */
function readOwnMemory(folder: string): OwnMemory | null {
  const [address, size] = OWN_MEMORY_PROPERTIES.map((name) => readProperty(join(folder, "of_node", name)));
  if (address === undefined || address === null || size === undefined || size === null) return null;
  if (size === 0n || size > BigInt(Number.MAX_SAFE_INTEGER) || address + size > 2n ** 64n) return null;
  return { address, size: Number(size) };
}

/** A property of 64 bits, as device trees have it: the high half first (Devicetree Specification 0.4, 2.2.4). */
function readProperty(path: string): bigint | null {
  const bytes = readBytes(path);
  return bytes?.length === 8 ? Buffer.from(bytes).readBigUInt64BE() : null;
}
