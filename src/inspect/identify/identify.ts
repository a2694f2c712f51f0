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

import { VFIO_PCI_NUM_REGIONS } from "../../device/transport/vfio-abi.ts";
import { ownRegions } from "../../rules/own-memory.ts";
import { hasOwnMemory } from "../../rules/drivers.ts";
import { roundUp } from "../../layout/sizes.ts";
import type { DeviceFile } from "../proc/device-file.ts";
import { unitAddress, type Candidate, type OtherCandidate } from "./candidate.ts";
import type { PciDevice } from "../../vfio/sysfs/pci-device.ts";
import type { Vma } from "../proc/vma.ts";
import { agreed, distinct, type Identity, NOT_IDENTIFIED, placed, unplaced } from "./identity.ts";
import { memoryBars, physicalReadings } from "./identify-physical.ts";

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
  const named = candidates.filter((candidate) => beginsAt(candidate, vma.offset));
  // Where a device of a platform begins, no other can have memory.
  return (named.length > 0 ? named : candidates).flatMap((candidate) =>
    candidate.kind === "pci" ? readingsOf(vma, candidate.pci, rules) : otherReadings(vma, candidate),
  );
}

/** Whether the first region of a device begins at this physical address, by its name. */
function beginsAt(candidate: Candidate, physical: bigint): boolean {
  return candidate.kind === "remapped" && physical !== 0n && unitAddress(candidate.name) === physical;
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

/** A single VFIO mapping of one of these devices. No device at all means that sysfs does not tell. */
export function identifyVfio(vma: Vma, candidates: readonly Candidate[], rules: OffsetRules): Identity {
  return identifyByReadings(vma, candidates, vfioReadings(vma, candidates, rules));
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
