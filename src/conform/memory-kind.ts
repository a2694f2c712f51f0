/** Whether reading a region's memory may do something. */

import { PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_MEM_PREFETCH } from "../device/file/pci-regs.ts";
import { VFIO_PCI_BAR5_REGION_INDEX } from "../device/transport/vfio-abi.ts";
import { hasOwnMemory, isVfioPci } from "../rules/drivers.ts";

/** A prefetchable BAR, memory that a driver gives of its own, or what may be registers. */
export type MemoryKind = "prefetchable" | "own-memory" | "registers";

/**
 * Reading prefetchable memory has no effect (PCI Local Bus Specification 3.0, section 6.2.5.1), nor has reading what a driver gives
 * of its own. All else may be registers: so may the BARs of such a driver's device.
 *
 * @param driver as sysfs names it; null for none
 * @param readConfig four bytes of configuration space
 */
export function kindOfMemory(
  region: number,
  driver: string | null,
  readConfig: (offset: number) => number,
): MemoryKind {
  if (hasOwnMemory(driver) && !isVfioPci(driver, region)) return "own-memory";
  if (region > VFIO_PCI_BAR5_REGION_INDEX) return "registers";
  const bar = readConfig(PCI_BASE_ADDRESS_0 + 4 * region);
  return (bar & PCI_BASE_ADDRESS_MEM_PREFETCH) === 0 ? "registers" : "prefetchable";
}
