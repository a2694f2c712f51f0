/** The MSI-X table and pending bits inside a BAR, which hardware keeps itself. */

import { PCI_MSIX_ENTRY_SIZE } from "../../../device/file/pci-regs.ts";
import { hugebarError } from "../../../errors.ts";
import type { BarShape } from "./bars.ts";
import type { InBar, PciCapabilityDescription } from "./pci-capabilities.ts";
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
 *
 * @throws ERR_ARGUMENT where they are in no memory BAR, or share bytes
 */
export function layMsixStructures(
  regions: readonly ServedRegion[],
  bars: readonly BarShape[],
  { vectors, table, pba }: Msix,
): MsixStructures {
  const pending = Math.ceil(vectors / 64) * 8;
  checkPlaces(bars, { ...table, size: vectors * PCI_MSIX_ENTRY_SIZE }, { ...pba, size: pending });
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
        { offset: pba.offset, size: pending },
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

type Structure = InBar & { readonly size: number };

/** "Table BIR" and "PBA BIR" name a BAR in memory space, and the structures may share it but no bytes: PCI 3.0, 6.8.2. */
function checkPlaces(bars: readonly BarShape[], table: Structure, pba: Structure): void {
  for (const { bar, offset, size } of [table, pba]) {
    const shape = bars.find(({ index }) => index === bar);
    const problem =
      shape === undefined
        ? "the device has no such BAR"
        : shape.type === "io"
          ? "it must be in memory space"
          : offset + size > shape.size
            ? `it ends at ${offset + size}, and its BAR has ${shape.size} bytes`
            : null;
    if (problem !== null) {
      throw hugebarError("ERR_ARGUMENT", {
        what: `an MSI-X structure at ${offset} of BAR ${bar}`,
        problem,
      });
    }
  }
  const apart =
    table.bar !== pba.bar || table.offset + table.size <= pba.offset || pba.offset + pba.size <= table.offset;
  if (apart) return;
  const problem = `its pending bits, at ${pba.offset}, share bytes with it`;
  throw hugebarError("ERR_ARGUMENT", {
    what: `an MSI-X table of ${table.size} bytes at ${table.offset}`,
    problem,
  });
}
