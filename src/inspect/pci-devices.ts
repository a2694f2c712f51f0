/** The PCI devices of a machine as sysfs shows them: BARs, driver, IOMMU group, VFIO device file. */

import { basename, join } from "node:path";
import { VFIO_PCI_BAR5_REGION_INDEX } from "../device/vfio-abi.ts";
import { fullBdf } from "../vfio/bdf.ts";
import { parseResources } from "../vfio/pci-resources.ts";
import { listFolder, readLinkOrNull, readTextOrNull } from "./read-file.ts";

/** The memory of one BAR. */
export interface Bar {
  readonly region: number;
  /** Physical address. */
  readonly start: bigint;
  /** Bytes, a power of two. */
  readonly size: number;
}

export interface PciDevice {
  /** For example `0000:01:00.0`. */
  readonly address: string;
  /** Name of the driver bound to it; null where there is none. */
  readonly driver: string | null;
  /** The memory BARs it has. Null where sysfs does not tell. */
  readonly bars: readonly Bar[] | null;
}

/** Looks devices up, each file being read once at most. */
export interface PciDevices {
  all(): readonly PciDevice[];
  byAddress(address: string): PciDevice | null;
  /** The devices of an IOMMU group. */
  byGroup(group: string): readonly PciDevice[];
  /** The device, PCI or not, behind `/dev/vfio/devices/NAME`: its name. */
  nameByCdev(name: string): string | null;
  /** The name of the device behind `/dev/uioN`. */
  nameByUio(name: string): string | null;
}

export function pciDevices(sys: string): PciDevices {
  const root = join(sys, "bus/pci/devices");
  const known = new Map<string, PciDevice | null>();
  const byAddress = (address: string): PciDevice | null => {
    let device = known.get(address);
    if (device === undefined) {
      device = fullBdf(address) === address ? readDevice(join(root, address), address) : null;
      known.set(address, device);
    }
    return device;
  };
  const present = (addresses: readonly string[]): PciDevice[] =>
    addresses.map(byAddress).filter((device) => device !== null);
  return {
    byAddress,
    all: () => present(listFolder(root)),
    byGroup: (group) => present(listFolder(join(sys, "kernel/iommu_groups", group, "devices"))),
    // /sys/class/vfio-dev/vfio1 -> ../../devices/pci0000:00/0000:01:00.0/vfio-dev/vfio1
    nameByCdev: (name) => parentOf(readLinkOrNull(join(sys, "class/vfio-dev", name))),
    // /sys/class/uio/uio0 -> ../../devices/pci0000:00/0000:01:00.0/uio/uio0
    nameByUio: (name) => parentOf(readLinkOrNull(join(sys, "class/uio", name))),
  };
}

/** `…/0000:01:00.0/vfio-dev/vfio1` → `0000:01:00.0` */
function parentOf(link: string | null): string | null {
  return link?.split("/").at(-3) ?? null;
}

function readDevice(folder: string, address: string): PciDevice | null {
  const resource = readTextOrNull(join(folder, "resource"));
  const driver = readLinkOrNull(join(folder, "driver"));
  if (resource === null && listFolder(folder).length === 0) return null;
  return {
    address,
    driver: driver === null ? null : basename(driver),
    bars: resource === null ? null : memoryBars(resource),
  };
}

/** The memory BARs in a device's `resource` file. */
function memoryBars(resource: string): Bar[] {
  return parseResources(resource)
    .filter(({ kind, index }) => kind === "memory" && index <= VFIO_PCI_BAR5_REGION_INDEX)
    .map(({ index, address, size }) => ({ region: index, start: address, size }));
}
