/** Which devices change hands for `hugebar bind` and `unbind`, and what is written where for it. No write is made here. */

import { join } from "node:path";
import { hugebarError } from "../errors.ts";
import { deviceUses, vfioHolders, type MachineRoots } from "./device-uses.ts";
import { iommuGroupDevices } from "./iommu-group.ts";
import { noIommu } from "./open-errors.ts";
import { pciDevicePath, readPciDevice, type PciDevice } from "./pci-device.ts";

/** The driver that takes any PCI device. */
export const VFIO_PCI = "vfio-pci";

/**
 * Class and subclass of what stays as it is in a group that is handed over: host bridges have no driver, and vfio-pci takes
 * no bridge to another bus (vfio_pci_core_register_device); the kernel lets a group be viable with both.
 */
const PCI_CLASS_BRIDGE_HOST = 0x0600;
const PCI_CLASS_BRIDGE_PCI = 0x0604;

/** One write to sysfs. */
export interface SysfsWrite {
  readonly path: string;
  readonly value: string;
}

/** One device changing hands. */
export interface BindStep {
  readonly bdf: string;
  /** The driver it has now. */
  readonly from: string | null;
  /** The driver it is to have; null for the one that the kernel finds. */
  readonly to: string | null;
  readonly writes: readonly SysfsWrite[];
}

export interface BindOptions {
  /** All devices of the IOMMU group, not only this one. */
  readonly group?: boolean;
  /** Also a device behind no IOMMU, or in use: a mounted file system, a network interface that is up, an open file. */
  readonly force?: boolean;
}

/**
 * What `bind` does to hand a device to vfio-pci. Devices that VFIO has already are left out.
 *
 * @throws ERR_NO_DEVICE; ERR_BUSY for a device in use, and ERR_NOT_SUPPORTED for one behind no IOMMU, which `force`
 *   both allows.
 */
export function planBind(roots: MachineRoots, bdf: string, options: BindOptions = {}): BindStep[] {
  const devices = chosen(roots, bdf, options).filter(({ boundToVfio }) => !boundToVfio);
  if (options.force !== true) for (const device of devices) refuseUnsafe(roots, device);
  return devices.map(({ bdf: device, driver }) => ({
    bdf: device,
    from: driver,
    to: VFIO_PCI,
    writes: [
      { path: join(pciDevicePath(roots.sys, device), "driver_override"), value: VFIO_PCI },
      ...release(roots, device, driver),
      { path: join(roots.sys, "bus/pci/drivers_probe"), value: device },
    ],
  }));
}

/**
 * What `unbind` does to give a device back to the driver that the kernel finds for it. Devices that VFIO has not are
 * left out.
 *
 * @throws ERR_NO_DEVICE; ERR_BUSY for a device that a process holds open, which `force` allows: the kernel then waits
 *   for it.
 */
export function planUnbind(roots: MachineRoots, bdf: string, options: BindOptions = {}): BindStep[] {
  const devices = chosen(roots, bdf, options).filter(({ boundToVfio }) => boundToVfio);
  if (options.force !== true) for (const device of devices) refuseOpen(roots, device);
  return devices.map(({ bdf: device, driver }) => ({
    bdf: device,
    from: driver,
    to: null,
    writes: [
      // A lone line feed clears it (driver_override_store).
      { path: join(pciDevicePath(roots.sys, device), "driver_override"), value: "\n" },
      ...release(roots, device, driver),
      { path: join(roots.sys, "bus/pci/drivers_probe"), value: device },
    ],
  }));
}

function chosen({ sys }: MachineRoots, bdf: string, { group = false }: BindOptions): PciDevice[] {
  const device = readPciDevice(sys, bdf);
  if (!group || device.iommuGroup === null) return [device];
  const others = iommuGroupDevices(sys, device.iommuGroup).filter(
    (other) => other.bdf !== bdf && !isBridge(other),
  );
  return [device, ...others];
}

function isBridge({ class: pciClass }: PciDevice): boolean {
  return pciClass >> 8 === PCI_CLASS_BRIDGE_HOST || pciClass >> 8 === PCI_CLASS_BRIDGE_PCI;
}

function release({ sys }: MachineRoots, bdf: string, driver: string | null): SysfsWrite[] {
  return driver === null ? [] : [{ path: join(sys, "bus/pci/drivers", driver, "unbind"), value: bdf }];
}

function refuseUnsafe(roots: MachineRoots, { bdf, iommuGroup }: PciDevice): void {
  if (iommuGroup === null) throw noIommu(`bind ${bdf}`);
  const uses = deviceUses(roots, bdf);
  if (uses.length === 0) return;
  throw hugebarError("ERR_BUSY", {
    action: `bind ${bdf}`,
    problem: `it is in use: ${uses.join(", ")}; --force takes it away all the same`,
  });
}

function refuseOpen(roots: MachineRoots, { bdf }: PciDevice): void {
  const holders = vfioHolders(roots, bdf);
  if (holders.length === 0) return;
  throw hugebarError("ERR_BUSY", {
    action: `unbind ${bdf}`,
    problem: `${whoHolds(holders)} it open; end that first, or wait for it with --force`,
  });
}

function whoHolds(pids: readonly number[]): string {
  return pids.length === 1 ? `process ${pids.join()} holds` : `processes ${pids.join(", ")} hold`;
}
