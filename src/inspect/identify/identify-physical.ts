/** Which region a mapping shows whose physical address is known, or stands in its file offset. */

import { VFIO_PCI_BAR5_REGION_INDEX } from "../../device/transport/vfio-abi.ts";
import { roundDown, roundUp } from "../../layout/sizes.ts";
import { compareBdf } from "../../vfio/sysfs/bdf.ts";
import type { PciDevice } from "../../vfio/sysfs/pci-device.ts";
import type { PciResource } from "../../vfio/sysfs/pci-resources.ts";
import type { DeviceFile } from "../proc/device-file.ts";
import type { Vma } from "../proc/vma.ts";
import { agreed, distinct, type Identity, NOT_IDENTIFIED, placed } from "./identity.ts";

/**
 * The BARs of the device that the offset, taken for a physical address, falls into: one, unless several BARs share a page.
 */
export function physicalReadings(
  { offset, size }: Pick<Vma, "offset" | "size">,
  device: PciDevice,
  pageSize: number,
): Identity[] {
  const page = BigInt(pageSize);
  return memoryBars(device).flatMap((bar) => {
    const start = roundDown(bar.address, page);
    const end = roundUp(bar.address + BigInt(bar.size), page);
    const isInside = bar.address > 0n && offset >= start && offset + BigInt(size) <= end;
    if (!isInside) return [];
    const reading = placed(device, { ...bar, address: start }, offset - start, true);
    // A BAR within a page: the mapping starts before it.
    return [bar.address === start ? reading : { ...reading, offset: null }];
  });
}

/** The BARs that are memory, not I/O ports. */
export function memoryBars({ resources }: PciDevice): PciResource[] {
  return resources.filter(({ kind, index }) => kind === "memory" && index <= VFIO_PCI_BAR5_REGION_INDEX);
}

/** A mapping of sysfs' `resourceN`: device and region are in its path. */
export function identifySysfs(
  vma: Vma,
  { device: bdf, region }: Extract<DeviceFile, { kind: "sysfs" }>,
  device: PciDevice | null,
  pageSize: number,
): Identity {
  const named = { ...NOT_IDENTIFIED, device: bdf, driver: device?.driver ?? null, region };
  if (device === null) return named;
  // pci_mmap_resource_range writes the page frame over the offset (drivers/pci/mmap.c).
  const physical = physicalReadings(vma, device, pageSize).find((reading) => reading.region === region);
  if (physical !== undefined) return physical;
  const bar = memoryBars(device).find(({ index }) => index === region);
  const fits =
    bar !== undefined && vma.offset + BigInt(vma.size) <= roundUp(BigInt(bar.size), BigInt(pageSize));
  return fits ? placed(device, bar, vma.offset) : { ...named, regionSize: bar?.size ?? null };
}

/** A mapping whose physical address is known: the BAR it lies in, if any. */
export function identifyPhysical(
  physical: bigint,
  size: number,
  devices: readonly PciDevice[],
  pageSize: number,
): Identity {
  const readings = devices.flatMap((device) =>
    physicalReadings({ offset: physical, size }, device, pageSize),
  );
  const [reading, ...others] = readings;
  if (reading === undefined) return identifyAcross(physical, size, devices);
  if (others.length === 0) return reading;
  // Several BARs in one page.
  const region = agreed(readings.map((each) => each.region));
  const device = agreed(readings.map((each) => each.device));
  return {
    ...NOT_IDENTIFIED,
    device,
    driver: agreed(readings.map((each) => each.driver)),
    region: device === null ? null : region,
    physical,
    congruence: physical,
    physicalOffset: true,
    couldBe: device === null ? distinct(readings) : [],
  };
}

/** A mapping that goes over the ends of BARs, or of memory that is none's: the devices that have a part in it. */
function identifyAcross(physical: bigint, size: number, devices: readonly PciDevice[]): Identity {
  const end = physical + BigInt(size);
  const parts = devices.filter((device) =>
    memoryBars(device).some(
      (bar) => bar.address > 0n && bar.address < end && physical < bar.address + BigInt(bar.size),
    ),
  );
  const [only, ...others] = parts;
  const named = only !== undefined && others.length === 0 ? { device: only.bdf, driver: only.driver } : {};
  return {
    ...NOT_IDENTIFIED,
    ...named,
    physical,
    congruence: physical,
    physicalOffset: true,
    couldBe: others.length > 0 ? parts.map(({ bdf }) => bdf).sort(compareBdf) : [],
  };
}
