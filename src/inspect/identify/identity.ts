/** What is known of a mapping, and how readings of it are put together. */

import { compareBdf } from "../../vfio/sysfs/bdf.ts";
import type { PciDevice } from "../../vfio/sysfs/pci-device.ts";
import type { PciResource } from "../../vfio/sysfs/pci-resources.ts";

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

/** A mapping of a BAR whose place is known. */
export function placed(
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

/** One whose place sysfs does not tell. */
export function unplaced(device: PciDevice, index: bigint, offset: bigint): Identity {
  return {
    ...NOT_IDENTIFIED,
    device: device.bdf,
    driver: device.driver,
    region: Number(index),
    offset: Number(offset),
  };
}

/** What all readings say; null where they do not agree. */
export function agreed<T>(values: readonly (T | null)[]): T | null {
  const [first = null, ...rest] = values;
  return rest.every((value) => value === first) ? first : null;
}

/** The devices that they are of. */
export function distinct(readings: readonly Identity[]): string[] {
  return [...new Set(readings.flatMap((each) => each.device ?? []))].sort(compareBdf);
}
