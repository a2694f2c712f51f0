/** The extended capabilities of PCI Express: their places behind the first 256 bytes, and the chain that leads through them. */

import { requireBytes, requireOptions, requireWhole } from "../../../arguments.ts";
import { PCI_CFG_SPACE_EXP_SIZE, PCI_CFG_SPACE_SIZE } from "../../../device/file/pci-regs.ts";
import { hugebarError, type HugebarError } from "../../../errors.ts";
import type { MaskedBytes } from "../registers/masked-bytes.ts";

/** One extended capability. What stands in its bytes is its author's affair. */
export interface PciExtendedCapability {
  /** 16 bits: 0x0023 for a designated vendor-specific one (DVSEC), 0x000b for a vendor-specific one, … */
  readonly id: number;
  /** 4 bits; 1, if left out. */
  readonly version?: number;
  /** What follows its header of 4 bytes. */
  readonly data: Uint8Array;
  /** The bits of `data` that clients may write, as long as it; none, if left out. */
  readonly writable?: Uint8Array;
  /** Where it stands: a multiple of 4, from 0x100 on. The first place with room, if left out. */
  readonly offset?: number;
}

/** In front of each: its id, its version, and where the next one is (linux/pci_regs.h). */
const HEADER = 4;

/** @throws ERR_ARGUMENT */
export function checkExtendedCapability(capability: PciExtendedCapability): void {
  requireOptions("of an extended capability", capability);
  const { id, version = 1, data, writable, offset = PCI_CFG_SPACE_SIZE } = capability;
  requireWhole("the id of an extended capability", id, 1, 0xffff);
  requireWhole("the version of an extended capability", version, 0, 15);
  requireBytes("the data of an extended capability", data);
  if (writable !== undefined) requireBytes("the writable bits of an extended capability", writable);
  requireWhole(
    "the offset of an extended capability",
    offset,
    PCI_CFG_SPACE_SIZE,
    PCI_CFG_SPACE_EXP_SIZE - HEADER,
  );
}

/** @throws ERR_ARGUMENT where they have no room, or share bytes */
export function defineExtendedCapabilities(
  config: MaskedBytes,
  capabilities: readonly PciExtendedCapability[],
): void {
  const placed = placeAll(capabilities);
  // The chain begins where the first one could stand; without one there, with a header that leads on.
  const first = placed[0];
  if (first !== undefined && first.start !== PCI_CFG_SPACE_SIZE)
    config.define(PCI_CFG_SPACE_SIZE, 4, header(0, 0, first.start));
  for (const [number, { capability, start }] of placed.entries()) {
    const { id, version = 1, data, writable } = capability;
    if (writable !== undefined && writable.length !== data.length) {
      const problem = `it has ${data.length} bytes of data, and ${writable.length} that say which bits are writable`;
      throw refused(capability, problem);
    }
    config.define(start, 4, header(id, version, placed[number + 1]?.start ?? 0));
    for (const [at, byte] of data.entries())
      config.define(start + HEADER + at, 1, byte, { writable: writable?.[at] ?? 0 });
  }
}

interface Placed {
  readonly capability: PciExtendedCapability;
  readonly start: number;
  readonly end: number;
}

/** By their place: those that have one first, the others where there is room. */
function placeAll(capabilities: readonly PciExtendedCapability[]): Placed[] {
  const placed: Placed[] = [];
  const place = (capability: PciExtendedCapability, start: number): void => {
    const end = start + sizeOf(capability);
    if (end > PCI_CFG_SPACE_EXP_SIZE) throw refused(capability, "configuration space has no room for it");
    placed.push({ capability, start, end });
    placed.sort((one, other) => one.start - other.start);
  };
  for (const capability of capabilities) {
    const { offset } = capability;
    if (offset === undefined) continue;
    if (offset % 4 !== 0) throw refused(capability, `its offset (${offset}) is no multiple of 4`);
    const end = offset + sizeOf(capability);
    if (placed.some((other) => other.start < end && offset < other.end))
      throw refused(capability, "it shares bytes with another");
    place(capability, offset);
  }
  for (const capability of capabilities) {
    if (capability.offset !== undefined) continue;
    let start = PCI_CFG_SPACE_SIZE;
    for (const other of placed)
      if (other.start < start + sizeOf(capability)) start = Math.max(start, other.end);
    place(capability, start);
  }
  return placed;
}

/** Bytes that it takes, up to where the next one may stand. */
function sizeOf({ data }: PciExtendedCapability): number {
  return Math.ceil((HEADER + data.length) / 4) * 4;
}

function header(id: number, version: number, next: number): number {
  return ((next << 20) | (version << 16) | id) >>> 0;
}

function refused({ id }: PciExtendedCapability, problem: string): HugebarError {
  return hugebarError("ERR_ARGUMENT", { what: `extended capability 0x${id.toString(16)}`, problem });
}
