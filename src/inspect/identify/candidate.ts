/** The devices that a VFIO mapping may be of: functions on PCI, and what else VFIO gives to programs. */

import { basename } from "node:path";
import type { PciDevice } from "../../vfio/sysfs/pci-device.ts";

export interface PciCandidate {
  readonly kind: "pci";
  readonly name: string;
  readonly driver: string | null;
  readonly pci: PciDevice;
}

export interface OtherCandidate {
  /**
   * - `mediated`: a part of a device that its driver makes up; the offsets are those of PCI, the memory's place is not told.
   * - `remapped`: a device of a platform, an FSL-MC or a CDX bus, whose driver writes the physical address over the offset.
   */
  readonly kind: "mediated" | "remapped";
  /** A UUID, or the device's name on its bus: `a0000000.fpga`. */
  readonly name: string;
  readonly driver: string;
}

export type Candidate = PciCandidate | OtherCandidate;

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * A device that is not on PCI.
 *
 * @param path below sysfs, or the name alone
 * @param driver its name in sysfs; null where it has none there
 */
export function otherCandidate(path: string, driver: string | null): OtherCandidate {
  const name = basename(path);
  if (UUID.test(name)) return { kind: "mediated", name, driver: driver ?? "mdev" };
  return { kind: "remapped", name, driver: driver ?? driverByBus(name) };
}

/** Where sysfs does not tell: the one driver that VFIO has for such a bus. */
function driverByBus(name: string): string {
  if (/^dp[a-z]+\.\d+$/.test(name)) return "vfio-fsl-mc";
  return name.startsWith("cdx-") ? "vfio-cdx" : "vfio-platform";
}

/** The address in a platform device's name, which is that of its first region; null where there is none. */
export function unitAddress(name: string): bigint | null {
  const digits = /^([0-9a-f]{1,16})\./.exec(name)?.[1];
  return digits === undefined ? null : BigInt(`0x${digits}`);
}
