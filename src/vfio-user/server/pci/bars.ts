/** The BARs of a PCI device: which of its regions they are, and the registers that tell of them. */

import {
  PCI_BASE_ADDRESS_0,
  PCI_BASE_ADDRESS_MEM_PREFETCH,
  PCI_BASE_ADDRESS_MEM_TYPE_64,
} from "../../../device/file/pci-regs.ts";
import { VFIO_PCI_BAR5_REGION_INDEX } from "../../../device/transport/vfio-abi.ts";
import { hugebarError, type HugebarError } from "../../../errors.ts";
import { nextPowerOfTwo } from "../../../layout/sizes.ts";
import type { DeviceRegion } from "../parts/region-description.ts";
import { LEAST_BAR, LEAST_IO_BAR } from "../parts/served-region.ts";
import type { MaskedBytes } from "../registers/masked-bytes.ts";

/** What configuration space says of one BAR. */
export type BarShape = { readonly index: number; readonly size: number } & (
  | { readonly type: "io" }
  | { readonly type: "memory"; readonly width: 32 | 64; readonly prefetchable: boolean }
);

// linux/pci_regs.h
const PCI_BASE_ADDRESS_SPACE_IO = 0x1;
/** "must not consume more than 256 bytes per I/O Base Address register": PCI Local Bus 3.0, 6.2.5.1. */
const MOST_IO = 256;
/** What 32 bits of address leave room for. */
const MOST_32 = 2 ** 31;

/**
 * @param sizeOf how large the region of an index is
 * @throws ERR_ARGUMENT where a BAR cannot be as it is described
 */
export function barsOf(regions: readonly DeviceRegion[], sizeOf: (index: number) => number): BarShape[] {
  const taken = new Set(regions.map(({ index }) => index).filter((index) => sizeOf(index) > 0));
  return regions.flatMap((region) => {
    const { index, bar } = region;
    if (index > VFIO_PCI_BAR5_REGION_INDEX) {
      if (bar !== undefined) throw refused(`region ${index}`, index, "BARs are regions 0 to 5");
      return [];
    }
    const size = sizeOf(index);
    return size === 0 ? [] : [barOf(region, size, taken)];
  });
}

/** @throws ERR_ARGUMENT for a kind of BAR where there are none */
export function refuseBars(regions: readonly DeviceRegion[]): void {
  const stray = regions.find(({ bar }) => bar !== undefined);
  if (stray !== undefined) throw refused(`region ${stray.index}`, stray.index, "the device has no `pci`");
}

function barOf(region: DeviceRegion, size: number, taken: ReadonlySet<number>): BarShape {
  const { index, memory, bar = { type: "memory" } } = region;
  const least = bar.type === "io" ? LEAST_IO_BAR : LEAST_BAR;
  if (size < least || nextPowerOfTwo(size) !== size) {
    const problem = `a BAR's size is a power of two, ${least} or more; make it ${Math.max(least, nextPowerOfTwo(size))}`;
    throw refused(`${size} bytes`, index, problem);
  }
  if (bar.type === "io") {
    if (size > MOST_IO) throw refused(`${size} bytes of I/O`, index, `there can be ${MOST_IO} at most`);
    if (memory !== undefined)
      throw refused("memory", index, "I/O ports cannot be mapped; it takes read and write, or registers");
    return { index, size, type: "io" };
  }
  const next = index + 1;
  const free = index < VFIO_PCI_BAR5_REGION_INDEX && !taken.has(next);
  const { width = free ? 64 : 32, prefetchable = memory !== undefined } = bar;
  if (width === 64 && !free) {
    const problem =
      index === VFIO_PCI_BAR5_REGION_INDEX ? "there is no next BAR" : `BAR ${next} is described`;
    throw refused("64 bits of address", index, `the next BAR is its upper half, and ${problem}`);
  }
  if (width === 32 && size > MOST_32) {
    const problem = `it needs 64 bits of address (${size} bytes), so BAR ${next} must be left free`;
    throw refused("32 bits of address", index, problem);
  }
  return { index, size, type: "memory", width, prefetchable };
}

/**
 * Address bits below the BAR's size are read-only zeros. That is all there is to sizing: after all-ones are written,
 * the zeros that come back tell the size.
 */
export function defineBar(config: MaskedBytes, bar: BarShape): void {
  const at = PCI_BASE_ADDRESS_0 + 4 * bar.index;
  const mask = (1n << 64n) - BigInt(bar.size);
  if (bar.type === "io") {
    config.define(at, 4, PCI_BASE_ADDRESS_SPACE_IO, { writable: mask & 0xffff_fffcn });
    return;
  }
  const wide = bar.width === 64;
  const flags =
    (wide ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0) | (bar.prefetchable ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0);
  config.define(at, 4, flags, { writable: mask & 0xffff_fff0n });
  if (wide) config.define(at + 4, 4, 0, { writable: mask >> 32n });
}

function refused(what: string, index: number, problem: string): HugebarError {
  return hugebarError("ERR_ARGUMENT", { what: `${what} as BAR ${index}`, problem });
}
