/** The PCI header type, by which vfio-pci decides what it takes. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { PciDevice } from "../sysfs/pci-device.ts";
import { pciDevicePath } from "../sysfs/pci-device.ts";
import { isErrno } from "../sysfs/sysfs.ts";

export const PCI_HEADER_TYPE_NORMAL = 0;
const PCI_HEADER_TYPE_BRIDGE = 1;
const PCI_HEADER_TYPE_CARDBUS = 2;
/** `uapi/linux/pci_regs.h`; the top bit says that there are more functions. */
const PCI_HEADER_TYPE = 0x0e;
const PCI_HEADER_TYPE_MASK = 0x7f;

const PCI_CLASS_BRIDGE_HOST = 0x0600;
const PCI_CLASS_BRIDGE_PCI = 0x0604;
const PCI_CLASS_BRIDGE_CARDBUS = 0x0607;

/** From configuration space, whose first 64 bytes everybody may read; of a record without them, by the class. */
export function headerType(sys: string, { bdf, class: pciClass }: PciDevice): number {
  const type = readConfig(join(pciDevicePath(sys, bdf), "config"))[PCI_HEADER_TYPE];
  if (type !== undefined) return type & PCI_HEADER_TYPE_MASK;
  switch (pciClass >>> 8) {
    case PCI_CLASS_BRIDGE_PCI:
      return PCI_HEADER_TYPE_BRIDGE;
    case PCI_CLASS_BRIDGE_CARDBUS:
      return PCI_HEADER_TYPE_CARDBUS;
    default:
      return PCI_HEADER_TYPE_NORMAL;
  }
}

export function isHostBridge({ class: pciClass }: PciDevice): boolean {
  return pciClass >>> 8 === PCI_CLASS_BRIDGE_HOST;
}

function readConfig(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ENODEV", "EACCES")) return new Uint8Array();
    throw error;
  }
}
