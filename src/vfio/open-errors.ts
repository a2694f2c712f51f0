/** What stands between a device and its user, said so that the reader knows what to do. */

import { hugebarError, type HugebarError } from "../errors.ts";
import { errnoInWords } from "../system/errno.ts";
import { SystemCallError } from "../system/system.ts";
import { devicesInTheWay, isNoIommuGroup } from "./sysfs/iommu-group.ts";
import { readPciDevice, type PciDevice } from "./sysfs/pci-device.ts";

/** A device that VFIO can give: bound to a VFIO driver, and behind an IOMMU. */
export interface VfioDevice extends PciDevice {
  readonly iommuGroup: number;
}

/**
 * The device at `bdf`, seen to be one that VFIO can give. `sys` is the folder that stands for `/sys`.
 *
 * @throws ERR_NO_DEVICE, ERR_BUSY when another driver holds it or none, ERR_NOT_SUPPORTED without an IOMMU.
 */
export function requireVfioDevice(sys: string, bdf: string): VfioDevice {
  const device = readPciDevice(sys, bdf);
  const { driver, boundToVfio, iommuGroup } = device;
  if (iommuGroup === null || isNoIommuGroup(sys, iommuGroup)) throw noIommu(`open ${bdf}`);
  if (!boundToVfio) {
    const holder = driver === null ? "no driver is bound to it" : `it is bound to ${driver}, not to VFIO`;
    throw hugebarError("ERR_BUSY", {
      action: `open ${bdf}`,
      problem: `${holder}; hand it over with \`hugebar bind ${bdf}\``,
    });
  }
  return { ...device, iommuGroup };
}

/** Without an IOMMU a device could reach all of the machine's memory: VFIO does not give it. */
export function noIommu(action: string): HugebarError {
  return hugebarError("ERR_NOT_SUPPORTED", {
    action,
    problem:
      "no IOMMU stands before it; switch the IOMMU on in the firmware and, for Intel, with intel_iommu=on on the kernel's command line",
  });
}

/** Why the group of `device` is not viable: the devices that other drivers hold. */
export function notViable({ bdf, iommuGroup }: VfioDevice, sys: string): HugebarError {
  return hugebarError("ERR_BUSY", {
    action: `open ${bdf}`,
    problem: `its IOMMU group ${iommuGroup} is not viable: ${whoIsInTheWay(sys, iommuGroup)}; hand over the whole group with \`hugebar bind --group ${bdf}\``,
  });
}

function whoIsInTheWay(sys: string, group: number): string {
  const others = devicesInTheWay(sys, group).map(({ bdf, driver }) => `${bdf} is bound to ${driver}`);
  return others.length === 0 ? "a driver holds one of its devices" : others.join(", ");
}

/** Why a device that sysfs shows as free is not: another process, or a driver of its group. */
export function inUse(device: VfioDevice, sys: string, cause: unknown): HugebarError {
  if (devicesInTheWay(sys, device.iommuGroup).length > 0) return notViable(device, sys);
  return hugebarError(
    "ERR_BUSY",
    {
      action: `open ${device.bdf}`,
      problem: `it, or another device of its IOMMU group ${device.iommuGroup}, is open elsewhere; \`hugebar inspect\` shows by whom`,
    },
    cause,
  );
}

/** The error for a file of VFIO's that does not open. `absent` says what the kernel lacks when there is no such file. */
export function fileError(bdf: string, path: string, absent: string, cause: unknown): unknown {
  if (!(cause instanceof SystemCallError)) return cause;
  const action = `open ${bdf}`;
  switch (cause.code) {
    case "ENOENT":
    case "ENODEV":
    case "ENXIO":
      return hugebarError("ERR_NOT_SUPPORTED", { action, problem: `there is no ${path}: ${absent}` }, cause);
    case "EACCES":
    case "EPERM":
      return hugebarError(
        "ERR_PERMISSION",
        { action, problem: `no permission for ${path}; run as root, or give this user the file` },
        cause,
      );
    default:
      return hugebarError("ERR_SYSTEM", { action, problem: `${path}: ${errnoInWords(cause.code)}` }, cause);
  }
}

/** The error for an ioctl on the way to the device. */
export function ioctlError(bdf: string, request: string, cause: unknown): unknown {
  if (!(cause instanceof SystemCallError)) return cause;
  const action = `open ${bdf}`;
  // SET_IOMMU and BIND: the IOMMU cannot remap interrupts, so that a device could forge them (vfio_iommu_type1.c).
  if (cause.code === "EPERM") {
    const problem = `${request} is not permitted: either this process lacks the privilege, or the IOMMU does not remap interrupts (parameter allow_unsafe_interrupts of vfio_iommu_type1 or iommufd)`;
    return hugebarError("ERR_PERMISSION", { action, problem }, cause);
  }
  if (cause.code === "ENOTTY") {
    return hugebarError("ERR_NOT_SUPPORTED", { action, problem: `this kernel has no ${request}` }, cause);
  }
  return hugebarError("ERR_SYSTEM", { action, problem: `${request}: ${errnoInWords(cause.code)}` }, cause);
}
