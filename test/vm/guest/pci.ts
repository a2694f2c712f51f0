/** Handing devices to drivers, for tests inside the guest. */

import { existsSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

/** The device's folder in sysfs; `bdf` is written in full, `0000:00:10.0`. */
export function deviceFolder(bdf: string): string {
  return join("/sys/bus/pci/devices", bdf);
}

/**
 * Hands a device to `driver`, from whatever driver has it. As long as somebody has the device open, vfio-pci does not
 * let go and the write blocks: a test closes its devices by `t.after()`, so that a failing one does not hang the rest.
 */
export function bindTo(bdf: string, driver = "vfio-pci"): void {
  const folder = deviceFolder(bdf);
  unbind(bdf);
  writeFileSync(join(folder, "driver_override"), driver);
  writeFileSync("/sys/bus/pci/drivers_probe", bdf);
  if (driverOf(bdf) !== driver) throw new Error(`${bdf} was not taken by ${driver}`);
}

export function unbind(bdf: string): void {
  const unbindFile = join(deviceFolder(bdf), "driver/unbind");
  if (existsSync(unbindFile)) writeFileSync(unbindFile, bdf);
}

export function driverOf(bdf: string): string | null {
  const link = join(deviceFolder(bdf), "driver");
  return existsSync(link) ? basename(readlinkSync(link)) : null;
}

/** The number of the device's IOMMU group. */
export function iommuGroupOf(bdf: string): string {
  return basename(readlinkSync(join(deviceFolder(bdf), "iommu_group")));
}

/** A file of the device's folder, `resource` or `vendor`, without the last newline. */
export function readAttribute(bdf: string, name: string): string {
  return readFileSync(join(deviceFolder(bdf), name), "utf8").trimEnd();
}
