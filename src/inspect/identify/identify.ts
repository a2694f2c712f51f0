/**
 * Finds out which region of which device a mapping shows, and where that region lies in physical memory.
 *
 * Two conventions give the file offset in maps its meaning. vfio-pci keeps the region's: `index << 40` plus the offset
 * in the region (VFIO_PCI_OFFSET_SHIFT). Drivers that lay the mapping themselves write the page frame over it, so that
 * it is a physical address: vfio-pci before Linux 6.10 (older stable kernels vary), nvgrace-gpu, sysfs' resource files.
 * An offset too large for an index is one whatever the driver. Where the kernel's version leaves both open, both are
 * tried on every device that comes into question, and what does not fit its BARs falls away. More than one reading left
 * is no answer: 2 TiB is region 2 and a likely physical address.
 */

import { VFIO_PCI_BAR5_REGION_INDEX, VFIO_PCI_NUM_REGIONS } from "../../device/transport/vfio-abi.ts";
import { ownRegions } from "../../rules/own-memory.ts";
import { hasOwnMemory } from "../../rules/drivers.ts";
import { roundDown, roundUp } from "../../layout/sizes.ts";
import type { DeviceFile } from "../proc/device-file.ts";
import { unitAddress, type Candidate, type OtherCandidate } from "./candidate.ts";
import { compareBdf } from "../../vfio/sysfs/bdf.ts";
import type { PciDevice } from "../../vfio/sysfs/pci-device.ts";
import type { PciResource } from "../../vfio/sysfs/pci-resources.ts";
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
  /** The devices that it may be, where it is not known which of them. */
  readonly couldBe: readonly string[];
  /** The process's open files, which would tell more, may not be looked at. */
  readonly blind: boolean;
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
  couldBe: [],
  blind: false,
};

/** VFIO_PCI_OFFSET_SHIFT, drivers/vfio/pci/vfio_pci_core.h; the uAPI leaves it open, the kernel has never changed it. */
const REGION_SHIFT = 40n;
/** Nine fixed regions and a handful that drivers add: a higher index is no index. */
const MOST_REGIONS = 32n;

/** From here on vfio-pci's huge_fault itself reads the region out of the file offset. */
const REGION_OFFSET_SINCE = 6_012;

/** What of a machine decides how an offset is read. */
export interface OffsetRules {
  /** 6012 for Linux 6.12 */
  readonly kernelVersion: number;
  /** Bytes: a BAR smaller than a page is mapped as a whole one, as is the last part of a BAR. */
  readonly pageSize: number;
}

/** All ways to read the offset of a VFIO mapping that fit one of these devices. */
export function vfioReadings(vma: Vma, candidates: readonly Candidate[], rules: OffsetRules): Identity[] {
  return candidates.flatMap((candidate) =>
    candidate.kind === "pci" ? readingsOf(vma, candidate.pci, rules) : otherReadings(vma, candidate),
  );
}

/**
 * What a VFIO mapping is by its readings. What they agree on is known: twins are two functions of one card with the same
 * BARs.
 */
export function identifyByReadings(
  vma: Vma,
  candidates: readonly Candidate[],
  readings: readonly Identity[],
): Identity {
  const [reading, ...others] = readings;
  if (reading === undefined) return identifyByElimination(vma, candidates);
  if (others.length === 0) return reading;
  const region = agreed(readings.map((each) => each.region));
  const offset = region === null ? null : agreed(readings.map((each) => each.offset));
  const areBars = readings.every(({ congruence }) => congruence !== null);
  const device = agreed(readings.map((each) => each.device));
  return {
    device,
    driver: agreed(readings.map((each) => each.driver)),
    region,
    regionSize: region === null ? null : agreed(readings.map((each) => each.regionSize)),
    offset,
    physical: agreed(readings.map((each) => each.physical)),
    congruence: offset !== null && areBars ? BigInt(offset) : null,
    physicalOffset: readings.every((each) => each.physicalOffset),
    couldBe: device === null ? distinct(readings) : [],
    blind: false,
  };
}

function distinct(readings: readonly Identity[]): string[] {
  return [...new Set(readings.flatMap((each) => each.device ?? []))].sort(compareBdf);
}

/** A single VFIO mapping of one of these devices. No device at all means that sysfs does not tell. */
export function identifyVfio(vma: Vma, candidates: readonly Candidate[], rules: OffsetRules): Identity {
  return identifyByReadings(vma, candidates, vfioReadings(vma, candidates, rules));
}

function agreed<T>(values: readonly (T | null)[]): T | null {
  const [first = null, ...rest] = values;
  return rest.every((value) => value === first) ? first : null;
}

/** The ways to read the offset that fit this device. */
function readingsOf(vma: Vma, device: PciDevice, { kernelVersion, pageSize }: OffsetRules): Identity[] {
  const index = vma.offset >> REGION_SHIFT;
  const inRegion = vma.offset & ((1n << REGION_SHIFT) - 1n);
  const madeUp = hasOwnMemory(device.driver);
  // Any driver may do it, one that is not in the kernel's tree too: where the offset is too large for an index, it did.
  const mayBePhysical = madeUp || kernelVersion < REGION_OFFSET_SINCE || index >= MOST_REGIONS;
  const asPhysical = mayBePhysical ? physicalReadings(vma, device, pageSize) : [];
  const bar = memoryBars(device).find((each) => BigInt(each.index) === index);
  // vfio_pci_core_mmap: up to PAGE_ALIGN(pci_resource_len).
  const inBar =
    bar !== undefined && inRegion + BigInt(vma.size) <= roundUp(BigInt(bar.size), BigInt(pageSize))
      ? [placed(device, bar, inRegion)]
      : [];
  const own = madeUp ? ownReadings(vma, device) : [];
  // Region 4 is always its own; region 2 only where a part of the memory is kept apart.
  if (own.length > 0) return [...own, ...(index === 4n ? [] : inBar), ...asPhysical];
  if (madeUp && (index === 2n || index === 4n)) {
    // Its memory regions are no BARs of the device: sysfs knows neither their size nor their place.
    return [unplaced(device, index, inRegion), ...asPhysical];
  }
  if (inBar.length > 0) return [...inBar, ...asPhysical];
  // Regions 6 to 8 (ROM, configuration space, VGA) cannot be mapped; drivers add more behind them.
  const isAdded = index >= BigInt(VFIO_PCI_NUM_REGIONS) && index < MOST_REGIONS;
  return isAdded && asPhysical.length === 0 ? [unplaced(device, index, inRegion)] : asPhysical;
}

/**
 * The ways to read the offset as one in the memory that the driver gives beside BARs, by a region's index or by the physical
 * address; none where the device tree does not tell of it.
 */
function ownReadings({ offset, size }: Pick<Vma, "offset" | "size">, device: PciDevice): Identity[] {
  const { bdf, driver, ownMemory } = device;
  if (ownMemory === null) return [];
  const { whole, split } = ownRegions(ownMemory.size);
  const readings = [...whole, ...split].flatMap((region): Identity[] => {
    const address = ownMemory.address + BigInt(region.offset);
    const byIndex = offset - (BigInt(region.index) << REGION_SHIFT);
    const byAddress = offset - address;
    return [byIndex, byAddress].flatMap((inRegion) => {
      if (inRegion < 0n || inRegion + BigInt(size) > BigInt(region.length)) return [];
      const physical = address + inRegion;
      const place = { region: region.index, regionSize: region.size, offset: Number(inRegion) };
      const named = { ...NOT_IDENTIFIED, device: bdf, driver, ...place };
      return [{ ...named, physical, congruence: physical, physicalOffset: inRegion === byAddress }];
    });
  });
  // Whether a part is kept apart makes no difference to what is the same in both.
  const [first] = readings;
  const isOne = readings.every(
    ({ region, physical }) => region === first?.region && physical === first.physical,
  );
  return first !== undefined && isOne ? [first] : readings;
}

/** A mapping of a device that is not on PCI: sysfs has nothing of its regions. */
function otherReadings(vma: Vma, { kind, name, driver }: OtherCandidate): Identity[] {
  const named = { ...NOT_IDENTIFIED, device: name, driver };
  if (kind === "mediated") {
    const index = vma.offset >> REGION_SHIFT;
    const offset = Number(vma.offset & ((1n << REGION_SHIFT) - 1n));
    return index >= MOST_REGIONS ? [named] : [{ ...named, region: Number(index), offset }];
  }
  const physical = vma.offset;
  // Where its first region ends, and another may begin, sysfs does not tell.
  const isFirst = physical === unitAddress(name);
  return [
    {
      ...named,
      ...(isFirst ? { region: 0, offset: 0 } : {}),
      physical,
      congruence: physical,
      physicalOffset: true,
    },
  ];
}

/**
 * The BARs of the device that the offset, taken for a physical address, falls into: one, unless several BARs share a page.
 */
function physicalReadings(
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

function memoryBars({ resources }: PciDevice): PciResource[] {
  return resources.filter(({ kind, index }) => kind === "memory" && index <= VFIO_PCI_BAR5_REGION_INDEX);
}

/** An offset too large for an index can only be a physical address that sysfs does not list, as a GB200's memory. */
function identifyByElimination(vma: Vma, candidates: readonly Candidate[]): Identity {
  const [device] = candidates.length === 1 ? candidates : [];
  const named = { device: device?.name ?? null, driver: agreed(candidates.map(({ driver }) => driver)) };
  if (vma.offset >> REGION_SHIFT < MOST_REGIONS) return { ...NOT_IDENTIFIED, ...named };
  return {
    ...NOT_IDENTIFIED,
    ...named,
    physical: vma.offset,
    congruence: vma.offset,
    physicalOffset: true,
    couldBe: candidates.length > 1 ? candidates.map(({ name }) => name).sort() : [],
  };
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
    couldBe: [],
    blind: false,
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

/** A mapping of a BAR's dma-buf: the region is in its name, or in the offset as with the device's own file. */
export function identifyDmabuf(
  vma: Vma,
  { device: bdf, region }: Extract<DeviceFile, { kind: "vfio-dmabuf" }>,
  device: PciDevice | null,
  rules: OffsetRules,
): Identity {
  if (device === null) return { ...NOT_IDENTIFIED, device: bdf, region };
  const offset = region === null ? vma.offset : (BigInt(region) << REGION_SHIFT) + vma.offset;
  // The kernels that have these take no physical addresses for offsets.
  const [reading] = readingsOf({ ...vma, offset }, device, { ...rules, kernelVersion: REGION_OFFSET_SINCE });
  if (reading !== undefined) return reading;
  const named = { ...NOT_IDENTIFIED, device: bdf, driver: device.driver, region };
  // A BAR that sysfs does not have is a BAR for all that, and aligned to its own size.
  return region === null ? named : { ...named, offset: Number(vma.offset), congruence: vma.offset };
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
