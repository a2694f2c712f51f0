/**
 * Keeps accesses off a PCI device's memory while they would be fatal: with memory decoding off (PCI_COMMAND_MEMORY), in
 * D3hot, and in low power, VFIO has taken the pages of BARs away and touching one is a SIGBUS (vfio_pci_mmap_huge_fault in
 * drivers/vfio/pci/vfio_pci_core.c, which asks __vfio_pci_memory_enabled). Mappings fall back to the device's file before
 * that, and come back after it.
 */

import { decodeConfigSpace } from "./config-space.ts";
import {
  PCI_CAP_ID_PM,
  PCI_CFG_SPACE_SIZE,
  PCI_COMMAND,
  PCI_COMMAND_MEMORY,
  PCI_PM_CTRL,
  PCI_PM_CTRL_STATE_MASK,
  PCI_STD_HEADER_SIZEOF,
} from "./pci-regs.ts";

/** A mapping, as far as it is switched here. */
export interface Guarded {
  /** @throws where the kernel refuses what that takes */
  setReachable(reachable: boolean): void;
}

/** PCI_PM_CTRL_STATE_MASK: D3hot. */
const D3HOT = 3;

export class MemoryGuard {
  readonly #mappings: () => Iterable<Guarded>;
  readonly #readConfig: (offset: number, target: Uint8Array) => void;
  readonly #device: string;
  #decodes = true;
  #awake = true;
  /** Where the power state's byte is; null before it was found. */
  #power: number | null = null;

  /** @param mappings those of the device's BARs and ROM */
  constructor(
    device: string,
    mappings: () => Iterable<Guarded>,
    readConfig: (offset: number, target: Uint8Array) => void,
  ) {
    this.#device = device;
    this.#mappings = mappings;
    this.#readConfig = readConfig;
  }

  /** Whether memory may be touched, as far as this device was told by way of here. */
  get reachable(): boolean {
    return this.#decodes && this.#awake;
  }

  /** Every write to configuration space: `write` does it. @throws what `write` throws, or the mappings, before it */
  writeConfig(offset: number, source: Uint8Array, write: () => void): void {
    const decides = (at: number | null): boolean =>
      at !== null && at >= offset && at < offset + source.length;
    if (!decides(PCI_COMMAND) && !decides(this.#powerByte(offset + source.length))) {
      write();
      return;
    }
    if (this.#turnsOff(offset, source)) this.#fallBack(() => (this.#decodes = false));
    try {
      write();
    } finally {
      this.look();
    }
  }

  /** Low power, which is not configuration space's. */
  setAwake(awake: boolean): void {
    if (awake) this.#awake = true;
    else this.#fallBack(() => (this.#awake = false));
    this.#apply();
  }

  /** Asks the device, and has mappings follow. */
  look(): void {
    try {
      this.#decodes = this.#asksDevice();
    } catch {
      return; // A device that does not answer any more: mappings stay what they are.
    }
    this.#apply();
  }

  #asksDevice(): boolean {
    const byte = new Uint8Array(1);
    this.#readConfig(PCI_COMMAND, byte);
    if (((byte[0] ?? 0) & PCI_COMMAND_MEMORY) === 0) return false;
    const power = this.#powerByte(PCI_CFG_SPACE_SIZE);
    if (power === null) return true;
    this.#readConfig(power, byte);
    return ((byte[0] ?? 0) & PCI_PM_CTRL_STATE_MASK) !== D3HOT;
  }

  #turnsOff(offset: number, source: Uint8Array): boolean {
    const command = source[PCI_COMMAND - offset];
    const power = source[(this.#powerByte(offset + source.length) ?? -1) - offset];
    return (
      (command !== undefined && (command & PCI_COMMAND_MEMORY) === 0) ||
      (power !== undefined && (power & PCI_PM_CTRL_STATE_MASK) === D3HOT)
    );
  }

  /** All mappings or none: where one cannot fall back, those before it come back, and what was to follow does not. */
  #fallBack(note: () => void): void {
    const before = this.reachable;
    const done: Guarded[] = [];
    try {
      for (const mapping of this.#mappings()) {
        mapping.setReachable(false);
        done.push(mapping);
      }
    } catch (error) {
      if (before) for (const mapping of done) mapping.setReachable(true);
      throw error;
    }
    note();
  }

  /** Goes on past failures: each mapping that cannot come back stays with the device's file. */
  #apply(): void {
    const failures: unknown[] = [];
    for (const mapping of this.#mappings()) {
      try {
        mapping.setReachable(this.reachable);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  /** Looked for only where an access reaches over the header, behind which capabilities are. */
  #powerByte(end: number): number | null {
    if (this.#power !== null || end <= PCI_STD_HEADER_SIZEOF) return this.#power;
    try {
      const bytes = new Uint8Array(PCI_CFG_SPACE_SIZE);
      this.#readConfig(0, bytes);
      const { capabilities } = decodeConfigSpace(bytes, this.#device);
      const capability = capabilities.find(({ id }) => id === PCI_CAP_ID_PM);
      this.#power = capability === undefined ? null : capability.offset + PCI_PM_CTRL;
    } catch {
      return null; // It does not answer now; it is asked again with the next write.
    }
    return this.#power;
  }
}
