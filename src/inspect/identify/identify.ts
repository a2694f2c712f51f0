/**
 * Finds out which region of which device a mapping shows, and where that region lies in physical memory.
 *
 * Two conventions give the file offset in maps its meaning. vfio-pci keeps the region's: `index << 40` plus the offset
 * in the region (VFIO_PCI_OFFSET_SHIFT). Drivers that lay the mapping themselves write the page frame over it, so that
 * it is a physical address: vfio-pci before Linux 6.10 (older stable kernels vary), nvgrace-gpu, sysfs' resource files.
 * Where the kernel's version leaves both open, both are tried on every device that comes into question, and what does not
 * fit its BARs falls away. More than one reading left is no answer: 2 TiB is region 2 and a likely physical address.
 */

import { VFIO_PCI_BAR5_REGION_INDEX, VFIO_PCI_NUM_REGIONS } from "../../device/vfio-abi.ts";
import { hasOwnMemory } from "../../rules/drivers.ts";
import type { DeviceFile } from "../proc/device-file.ts";
import type { PciDevice } from "../../vfio/pci-device.ts";
import type { PciResource } from "../../vfio/pci-resources.ts";
import type { Vma } from "../proc/vma.ts";

/** What is known about a mapping; null is unknown. */
export interface Identity {
  /** `0000:01:00.0`, or what else the device is called. */
  readonly device: string | null;
  /** The region's index. */
  readonly region: number | null;
  /** How large the region is, in bytes. */
  readonly regionSize: number | null;
  /** Where the mapping starts in its region. */
  readonly offset: number | null;
  /** Physical address of the mapping's first byte. */
  readonly physical: bigint | null;
  /**
   * A number that leaves the same remainder as the physical address at each leaf size the mapping can have: enough to
   * judge it. Known more often than the address: a PCI BAR is always aligned to its own size.
   */
  readonly congruence: bigint | null;
  /** The file offset was found to be the physical address, which a driver without huge faults writes over it. */
  readonly physicalOffset: boolean;
  /** The device's driver, where the device is known. */
  readonly driver: string | null;
}

export const NOT_IDENTIFIED: Identity = {
  device: null,
  region: null,
  regionSize: null,
  offset: null,
  physical: null,
  congruence: null,
  physicalOffset: false,
  driver: null,
};

/** VFIO_PCI_OFFSET_SHIFT, drivers/vfio/pci/vfio_pci_core.h; the uAPI leaves it open, the kernel has never changed it. */
const REGION_SHIFT = 40n;
/** Nine fixed regions and a handful that drivers add: a higher index is no index. */
const MOST_REGIONS = 32n;

/** From here on vfio-pci's huge_fault itself reads the region out of the file offset. */
const REGION_OFFSET_SINCE = 6_012;

/**
 * A VFIO mapping of one of these devices. No device at all means that sysfs does not tell.
 *
 * @param kernelVersion 6012 for Linux 6.12
 */
export function identifyVfio(vma: Vma, candidates: readonly PciDevice[], kernelVersion: number): Identity {
  const readings = candidates.flatMap((device) => readingsOf(vma, device, kernelVersion));
  const [reading, ...others] = readings;
  if (reading === undefined) return identifyByElimination(vma, candidates);
  if (others.length === 0) return reading;
  // Twins: two functions of one card with the same BARs. What they agree on is known.
  const region = agreed(readings.map((each) => each.region));
  const offset = region === null ? null : agreed(readings.map((each) => each.offset));
  const areBars = readings.every(({ congruence }) => congruence !== null);
  return {
    device: agreed(readings.map((each) => each.device)),
    driver: agreed(readings.map((each) => each.driver)),
    region,
    regionSize: region === null ? null : agreed(readings.map((each) => each.regionSize)),
    offset,
    physical: agreed(readings.map((each) => each.physical)),
    congruence: offset !== null && areBars ? BigInt(offset) : null,
    physicalOffset: readings.every((each) => each.physicalOffset),
  };
}

function agreed<T>(values: readonly (T | null)[]): T | null {
  const [first = null, ...rest] = values;
  return rest.every((value) => value === first) ? first : null;
}

/** The ways to read the offset that fit this device. */
function readingsOf(vma: Vma, device: PciDevice, kernelVersion: number): Identity[] {
  const index = vma.offset >> REGION_SHIFT;
  const inRegion = vma.offset & ((1n << REGION_SHIFT) - 1n);
  const madeUp = hasOwnMemory(device.driver);
  const asPhysical = madeUp || kernelVersion < REGION_OFFSET_SINCE ? physicalReadings(vma, device) : [];
  if (madeUp && (index === 2n || index === 4n)) {
    // Its memory regions are no BARs of the device: sysfs knows neither their size nor their place.
    return [unplaced(device, index, inRegion), ...asPhysical];
  }
  const bar = memoryBars(device).find((each) => BigInt(each.index) === index);
  if (bar !== undefined && inRegion + BigInt(vma.size) <= BigInt(bar.size)) {
    return [placed(device, bar, inRegion), ...asPhysical];
  }
  // Regions 6 to 8 (ROM, configuration space, VGA) cannot be mapped; drivers add more behind them.
  const isAdded = index >= BigInt(VFIO_PCI_NUM_REGIONS) && index < MOST_REGIONS;
  return isAdded && asPhysical.length === 0 ? [unplaced(device, index, inRegion)] : asPhysical;
}

/** The BARs of the device that the offset, taken for a physical address, falls into: one at most, on a sane machine. */
function physicalReadings({ offset, size }: Pick<Vma, "offset" | "size">, device: PciDevice): Identity[] {
  return memoryBars(device)
    .filter(({ address }) => address > 0n && offset >= address)
    .filter((bar) => offset + BigInt(size) <= bar.address + BigInt(bar.size))
    .map((bar) => placed(device, bar, offset - bar.address, true));
}

function memoryBars({ resources }: PciDevice): PciResource[] {
  return resources.filter(({ kind, index }) => kind === "memory" && index <= VFIO_PCI_BAR5_REGION_INDEX);
}

/** An offset too large for an index can only be a physical address that sysfs does not list, as a GB200's memory. */
function identifyByElimination(vma: Vma, candidates: readonly PciDevice[]): Identity {
  const [device] = candidates.length === 1 ? candidates : [];
  const named = { device: device?.bdf ?? null, driver: device?.driver ?? null };
  if (vma.offset >> REGION_SHIFT < MOST_REGIONS) return { ...NOT_IDENTIFIED, ...named };
  return { ...NOT_IDENTIFIED, ...named, physical: vma.offset, congruence: vma.offset, physicalOffset: true };
}

/** A mapping of a BAR whose place is known. */
function placed(
  { bdf, driver }: PciDevice,
  { index, address, size }: PciResource,
  offset: bigint,
  physicalOffset = false,
): Identity {
  const physical = address + offset;
  return {
    device: bdf,
    driver,
    region: index,
    regionSize: size,
    offset: Number(offset),
    physical,
    congruence: physical,
    physicalOffset,
  };
}

function unplaced(device: PciDevice, index: bigint, offset: bigint): Identity {
  return {
    ...NOT_IDENTIFIED,
    device: device.bdf,
    driver: device.driver,
    region: Number(index),
    offset: Number(offset),
  };
}

/** A mapping of sysfs' `resourceN`: device and region are in its path. */
export function identifySysfs(
  vma: Vma,
  { device: bdf, region }: Extract<DeviceFile, { kind: "sysfs" }>,
  device: PciDevice | null,
): Identity {
  const named = { ...NOT_IDENTIFIED, device: bdf, driver: device?.driver ?? null, region };
  if (device === null) return named;
  // pci_mmap_resource_range writes the page frame over the offset (drivers/pci/mmap.c).
  const physical = physicalReadings(vma, device).find((reading) => reading.region === region);
  if (physical !== undefined) return physical;
  const bar = memoryBars(device).find(({ index }) => index === region);
  const fits = bar !== undefined && vma.offset + BigInt(vma.size) <= BigInt(bar.size);
  return fits ? placed(device, bar, vma.offset) : { ...named, regionSize: bar?.size ?? null };
}

/** A mapping whose physical address is known: the BAR it lies in, if any. */
export function identifyPhysical(physical: bigint, size: number, devices: readonly PciDevice[]): Identity {
  const [reading] = devices.flatMap((device) => physicalReadings({ offset: physical, size }, device));
  return reading ?? { ...NOT_IDENTIFIED, physical, congruence: physical };
}
