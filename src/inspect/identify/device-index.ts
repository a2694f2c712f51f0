/** Looks PCI devices up for many mappings at once, so that sysfs is read once for each device. */

import { join } from "node:path";
import { compareBdf, fullBdf } from "../../vfio/bdf.ts";
import { findPciDevice, type PciDevice } from "../../vfio/pci-device.ts";
import { listFolder, readLinkOrNull } from "../proc/read-file.ts";

/** A device whose attributes cannot be read is no device here: what maps it stays unidentified. */
export interface DeviceIndex {
  all(): readonly PciDevice[];
  find(bdf: string): PciDevice | null;
  /** The names of all PCI devices. */
  names(): readonly string[];
  /** The names of the devices of an IOMMU group, PCI or not. */
  namesInGroup(group: string): readonly string[];
  /** The name of the device, PCI or not, behind `/dev/vfio/devices/NAME`. */
  nameOfCdev(name: string): string | null;
  /** The name of the device behind `/dev/uioN`. */
  nameOfUio(name: string): string | null;
}

export function deviceIndex(sys: string): DeviceIndex {
  const known = new Map<string, PciDevice | null>();
  const find = (bdf: string): PciDevice | null => {
    let device = known.get(bdf);
    if (device === undefined) {
      device = fullBdf(bdf) === bdf ? findOrNull(sys, bdf) : null;
      known.set(bdf, device);
    }
    return device;
  };
  const names = (): string[] => listFolder(join(sys, "bus/pci/devices")).sort(compareBdf);
  return {
    find,
    names,
    all: () =>
      names()
        .map(find)
        .filter((device) => device !== null),
    namesInGroup: (group) => listFolder(join(sys, "kernel/iommu_groups", group, "devices")),
    // /sys/class/vfio-dev/vfio1 -> ../../devices/pci0000:00/0000:01:00.0/vfio-dev/vfio1
    nameOfCdev: (name) => parentOf(readLinkOrNull(join(sys, "class/vfio-dev", name))),
    // /sys/class/uio/uio0 -> ../../devices/pci0000:00/0000:01:00.0/uio/uio0
    nameOfUio: (name) => parentOf(readLinkOrNull(join(sys, "class/uio", name))),
  };
}

function findOrNull(sys: string, bdf: string): PciDevice | null {
  try {
    return findPciDevice(sys, bdf);
  } catch {
    return null;
  }
}

/** `…/0000:01:00.0/vfio-dev/vfio1` → `0000:01:00.0` */
function parentOf(link: string | null): string | null {
  return link?.split("/").at(-3) ?? null;
}
