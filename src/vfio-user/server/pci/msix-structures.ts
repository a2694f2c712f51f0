/** The MSI-X table and pending bits inside a BAR, which hardware keeps itself. */

import { PCI_MSIX_ENTRY_SIZE } from "../../../device/file/pci-regs.ts";
import type { PciCapabilityDescription } from "./pci-capabilities.ts";
import { overlay, type ServedRegion } from "../parts/served-region.ts";

type Msix = Extract<PciCapabilityDescription, { type: "msix" }>;

/** `mask` in an entry's last word: set after reset. */
const VECTOR_CONTROL = 12;
const VECTOR_MASKED = 1;

export interface MsixStructures {
  readonly regions: readonly ServedRegion[];
  /** Masks every vector, as reset does. */
  reset(): void;
}

/**
 * Lays table and pending bits over their BARs. A client that drives the interrupts by VFIO_DEVICE_SET_IRQS keeps its own
 * table and masks its vectors itself, so what is written here is kept and no more, and nothing is ever pending. Where the
 * author lets clients map that part of a BAR, it stays the author's memory.
 */
export function layMsixStructures(
  regions: readonly ServedRegion[],
  { vectors, table, pba }: Msix,
): MsixStructures {
  const entries = new Uint8Array(vectors * PCI_MSIX_ENTRY_SIZE);
  const reset = (): void => {
    entries.fill(0);
    for (let at = VECTOR_CONTROL; at < entries.length; at += PCI_MSIX_ENTRY_SIZE) entries[at] = VECTOR_MASKED;
  };
  reset();
  const laid = regions.map((region, index) => {
    let result = region;
    if (index === table.bar) {
      result = overlay(
        result,
        { offset: table.offset, size: entries.length },
        {
          read: (offset, target) => target.set(entries.subarray(offset, offset + target.length)),
          write: (offset, source) => entries.set(source, offset),
        },
      );
    }
    if (index === pba.bar) {
      result = overlay(
        result,
        { offset: pba.offset, size: Math.ceil(vectors / 64) * 8 },
        {
          read: (_offset, target) => void target.fill(0),
          write: () => {},
        },
      );
    }
    return result;
  });
  return { regions: laid, reset };
}
