/** Looks PCI devices up for many mappings at once, so that sysfs is read once for each device. */

import { basename, dirname, join } from "node:path";
import { compareBdf, fullBdf } from "../../vfio/sysfs/bdf.ts";
import { findPciDevice, type PciDevice } from "../../vfio/sysfs/pci-device.ts";
import { otherCandidate, type Candidate } from "./candidate.ts";
import { listFolder, readLinkOrNull } from "../proc/read-file.ts";

/** A device whose attributes cannot be read is no device here: what maps it stays unidentified. */
export interface DeviceIndex {
  all(): readonly PciDevice[];
  find(bdf: string): PciDevice | null;
  /** The names of all PCI devices. */
  names(): readonly string[];
  /** The numbers of the IOMMU groups that there are. */
  groups(): readonly string[];
  /** The devices of an IOMMU group, PCI or not; null stands for each that cannot be read. */
  inGroup(group: string): readonly (Candidate | null)[];
  /** The device, PCI or not, whose folder in sysfs this is; null where it cannot be read. */
  ofPath(path: string): Candidate | null;
  /** The device, PCI or not, behind `/dev/vfio/devices/NAME`; null where sysfs does not tell its name. */
  ofCdev(name: string): { readonly name: string; readonly candidate: Candidate | null } | null;
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
  const ofPath = (path: string): Candidate | null => {
    const name = basename(path);
    if (fullBdf(name) !== name) return otherCandidate(path, driverOf(sys, path));
    const pci = find(name);
    return pci === null ? null : { kind: "pci", name, driver: pci.driver, pci };
  };
  return {
    find,
    names,
    ofPath,
    all: () =>
      names()
        .map(find)
        .filter((device) => device !== null),
    groups: () => listFolder(join(sys, "kernel/iommu_groups")),
    inGroup: (group) =>
      listFolder(join(sys, "kernel/iommu_groups", group, "devices"))
        .sort(compareBdf)
        // ../../../../devices/platform/axi/a0000000.fpga, from sys/kernel/iommu_groups/12/devices
        .map((name) =>
          ofPath(readLinkOrNull(join(sys, "kernel/iommu_groups", group, "devices", name)) ?? name),
        ),
    ofCdev: (name) => {
      // /sys/class/vfio-dev/vfio1 -> ../../devices/pci0000:00/0000:01:00.0/vfio-dev/vfio1
      const linkOf = (each: string): string | null => readLinkOrNull(join(sys, "class/vfio-dev", each));
      const path = parentOf(linkOf(name) ?? linkOf(name.replace("noiommu-", "")));
      return path === null ? null : { name: basename(path), candidate: ofPath(path) };
    },
    // /sys/class/uio/uio0 -> ../../devices/pci0000:00/0000:01:00.0/uio/uio0
    nameOfUio: (name) => {
      const path = parentOf(readLinkOrNull(join(sys, "class/uio", name)));
      return path === null ? null : basename(path);
    },
  };
}

/** The driver of a device by its path, from wherever it was linked: `…/devices/platform/axi/a0000000.fpga`. */
function driverOf(sys: string, path: string): string | null {
  const below = /(?:^|\/)(devices\/.+)$/.exec(path)?.[1];
  if (below === undefined || below.split("/").includes("..")) return null;
  const link = readLinkOrNull(join(sys, below, "driver"));
  return link === null ? null : basename(link);
}

function findOrNull(sys: string, bdf: string): PciDevice | null {
  try {
    return findPciDevice(sys, bdf);
  } catch {
    return null;
  }
}

/** `…/0000:01:00.0/vfio-dev/vfio1` → `…/0000:01:00.0` */
function parentOf(link: string | null): string | null {
  return link === null ? null : dirname(dirname(link));
}
