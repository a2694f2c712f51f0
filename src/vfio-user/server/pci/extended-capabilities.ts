/** The extended capabilities of PCI Express: their places behind the first 256 bytes, and the chain that leads through them. */

import { requireOptions, requireWhole } from "../../../arguments.ts";
import { PCI_CFG_SPACE_EXP_SIZE, PCI_CFG_SPACE_SIZE } from "../../../device/file/pci-regs.ts";
import { hugebarError } from "../../../errors.ts";
import type { MaskedBytes } from "../registers/masked-bytes.ts";
import { checkCapabilityData, defineData, type CapabilityData, type PlacedData } from "./capability-data.ts";
import { placeAll } from "./capability-places.ts";

/** One extended capability. Its data follow its header of 4 bytes. */
export interface PciExtendedCapability extends CapabilityData {
  /** 16 bits: 0x0023 for a designated vendor-specific one (DVSEC), 0x000b for a vendor-specific one, … */
  readonly id: number;
  /** 4 bits; 1, if left out. */
  readonly version?: number;
  /** Where it stands: a multiple of 4, from 0x100 on. The first place with room, if left out. */
  readonly offset?: number;
}

/** In front of each: its id, its version, and where the next one is (linux/pci_regs.h). */
const HEADER = 4;

/** @throws ERR_ARGUMENT */
export function checkExtendedCapability(capability: PciExtendedCapability): void {
  const what = "an extended capability";
  requireOptions(`of ${what}`, capability);
  const { id, version = 1, offset = PCI_CFG_SPACE_SIZE } = capability;
  requireWhole(`the id of ${what}`, id, 1, 0xffff);
  requireWhole(`the version of ${what}`, version, 0, 15);
  checkCapabilityData(what, capability);
  requireWhole(`the offset of ${what}`, offset, PCI_CFG_SPACE_SIZE, PCI_CFG_SPACE_EXP_SIZE - HEADER);
}

/**
 * Chains them in the order of their places; tells where their data stand.
 *
 * @throws ERR_ARGUMENT where they have no room, or share bytes
 */
export function defineExtendedCapabilities(
  config: MaskedBytes,
  capabilities: readonly PciExtendedCapability[],
): PlacedData[] {
  const starts = placeAll(
    capabilities.map(({ data, offset }) => ({ size: Math.ceil((HEADER + data.length) / 4) * 4, offset })),
    [PCI_CFG_SPACE_SIZE, PCI_CFG_SPACE_EXP_SIZE],
    (item, problem) => hugebarError("ERR_ARGUMENT", { what: nameOf(capabilities[item]), problem }),
  );
  const chain = capabilities
    .map((capability, item) => ({ capability, start: starts[item] ?? 0 }))
    .sort((one, other) => one.start - other.start);
  // The chain begins where the first one could stand; without one there, with a header that leads on.
  const first = chain[0];
  if (first !== undefined && first.start !== PCI_CFG_SPACE_SIZE)
    config.define(PCI_CFG_SPACE_SIZE, 4, header(0, 0, first.start));
  return chain.map(({ capability, start }, number) => {
    config.define(start, 4, header(capability.id, capability.version ?? 1, chain[number + 1]?.start ?? 0));
    const placed = { start: start + HEADER, capability };
    defineData(config, nameOf(capability), placed);
    return placed;
  });
}

function nameOf(capability: PciExtendedCapability | undefined): string {
  return `extended capability 0x${capability?.id.toString(16)}`;
}

function header(id: number, version: number, next: number): number {
  return ((next << 20) | (version << 16) | id) >>> 0;
}
