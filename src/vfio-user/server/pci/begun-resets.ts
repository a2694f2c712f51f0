/** Writes to configuration space by which a driver resets the device. */

import { PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK } from "../../../device/file/pci-regs.ts";
import type { ResetKind } from "../parts/reset-kind.ts";
import type { MaskedBytes } from "../registers/masked-bytes.ts";
import {
  PCI_AF_CTRL,
  PCI_AF_CTRL_FLR,
  PCI_EXP_DEVCTL,
  PCI_EXP_DEVCTL_BCR_FLR,
  PCI_PM_CTRL_NO_SOFT_RESET,
} from "./pci-capabilities.ts";

/** Where the capability of a type stands. */
export type CapabilityPlaces = ReadonlyMap<string, number>;

export const D3HOT = 3;

/** D0 (0) to D3hot; D0 on a device without power management. */
export function powerState(config: MaskedBytes, places: CapabilityPlaces): number {
  const at = places.get("pm");
  return at === undefined ? 0 : config.get(at + PCI_PM_CTRL, 1) & PCI_PM_CTRL_STATE_MASK;
}

/**
 * Which reset a write begins, once the registers have taken it. The bits that ask for a function-level one always read as 0.
 *
 * @param write where and what was written, and the power state before
 */
export function beginsReset(
  config: MaskedBytes,
  places: CapabilityPlaces,
  { offset, source, before }: { offset: number; source: Uint8Array; before: number },
): ResetKind | null {
  const sets = (type: string, register: number, bit: number): boolean => {
    const at = places.get(type);
    return at !== undefined && ((source[at + register - offset] ?? 0) & bit) !== 0;
  };
  if (sets("pcie", PCI_EXP_DEVCTL + 1, PCI_EXP_DEVCTL_BCR_FLR >> 8)) return "function";
  if (sets("af", PCI_AF_CTRL, PCI_AF_CTRL_FLR)) return "function";
  const at = places.get("pm");
  if (at === undefined || before !== D3HOT || powerState(config, places) !== 0) return null;
  return (config.get(at + PCI_PM_CTRL, 1) & PCI_PM_CTRL_NO_SOFT_RESET) === 0 ? "power" : null;
}
