/** IOMMU groups as sysfs shows them, below `ROOT/kernel/iommu_groups`. */

import { readFolder, readAttribute } from "./sysfs.ts";
import { compareBdf } from "./bdf.ts";
import { findPciDevice, type PciDevice } from "./pci-device.ts";

/**
 * Drivers that the kernel lets stay bound in a group that user space holds: they do no DMA by themselves
 * (`driver_managed_dma`), or exist to keep a device idle.
 */
const HARMLESS_DRIVERS = new Set(["pcieport", "pci-stub"]);

/** The PCI devices of a group, in the order of their addresses. `sys` is the folder that stands for `/sys`. */
export function iommuGroupDevices(sys: string, group: number): PciDevice[] {
  const names = readFolder(sys, "kernel/iommu_groups", String(group), "devices") ?? [];
  return [...names].sort(compareBdf).flatMap((bdf) => findPciDevice(sys, bdf) ?? []);
}

/** Whether the kernel made the group for `vfio`'s no-IOMMU mode: no IOMMU stands behind it. */
export function isNoIommuGroup(sys: string, group: number): boolean {
  return readAttribute(sys, "kernel/iommu_groups", String(group), "name") === "vfio-noiommu";
}

/** The IOMMUs of x86, which the firmware's tables name all devices of as the kernel starts. */
const KNOWN_AT_START = /^(?:dmar|ivhd)\d/;

/**
 * Whether a device may get its group only when a driver first takes it: older kernels look up the IOMMU of a device tree or an
 * IORT no sooner (of_iommu_configure in drivers/iommu/of_iommu.c, called from dma_configure), so that on arm64 a device that never
 * had a driver has no group yet. Where none stands before it after all, vfio-pci does not take it.
 */
export function isYetToBeGrouped(sys: string, { iommuGroup, driver }: PciDevice): boolean {
  if (iommuGroup !== null || driver !== null) return false;
  return (readFolder(sys, "class/iommu") ?? []).some((name) => !KNOWN_AT_START.test(name));
}

/** The devices of a group whose drivers keep it from being viable: every one must be bound to VFIO or to nothing. */
export function devicesInTheWay(sys: string, group: number): PciDevice[] {
  return iommuGroupDevices(sys, group).filter(
    ({ driver, boundToVfio }) => driver !== null && !boundToVfio && !HARMLESS_DRIVERS.has(driver),
  );
}
