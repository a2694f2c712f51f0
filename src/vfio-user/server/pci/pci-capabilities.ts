/** The capabilities that a PCI device may have, as an author names them and as configuration space holds them. */

import { hugebarError } from "../../../errors.ts";
import {
  PCI_CAP_ID_EXP,
  PCI_CAP_ID_MSI,
  PCI_CAP_ID_MSIX,
  PCI_CAP_ID_PM,
  PCI_CAP_ID_VNDR,
  PCI_CAP_MSIX_SIZEOF,
  PCI_MSIX_FLAGS,
  PCI_MSIX_FLAGS_ENABLE,
  PCI_MSIX_FLAGS_MASKALL,
  PCI_MSIX_PBA,
  PCI_MSIX_TABLE,
  PCI_PM_CTRL,
  PCI_PM_CTRL_STATE_MASK,
} from "../../../device/file/pci-regs.ts";
import type { MaskedBytes } from "../registers/masked-bytes.ts";
import { defineData, type CapabilityData } from "./capability-data.ts";

/** A structure inside a BAR: the BAR's index, and where the structure starts, a multiple of 8. */
export interface InBar {
  readonly bar: number;
  readonly offset: number;
}

/** A capability, and where in the first 256 bytes it stands: a multiple of 4 from 0x40 on; where there is room, if left out. */
export type PciCapabilityDescription = PciCapabilityKind & { readonly offset?: number };

export type PciCapabilityKind =
  /** Power management. With `softReset` a driver that brings the device from D3hot back to D0 finds it reset. */
  | { readonly type: "pm"; readonly softReset?: boolean }
  /** Message-signalled interrupts: 1, 2, 4, 8, 16 or 32 of them. */
  | { readonly type: "msi"; readonly vectors: number }
  /** MSI-X: 1 to 2048 interrupts, with their table (16 bytes each) and their pending bits in BARs. */
  | { readonly type: "msix"; readonly vectors: number; readonly table: InBar; readonly pba: InBar }
  /** PCI Express endpoint; a function-level reset resets the device. */
  | { readonly type: "pcie" }
  /** Advanced features, for conventional PCI: a function-level reset. */
  | { readonly type: "af" }
  /** Of the vendor's own making; its data follow its id, the link to the next one, and its length. */
  | ({ readonly type: "vendor" } & CapabilityData);

// PCI Bus Power Management Interface 1.2: linux/pci_regs.h
const PCI_PM_PMC = 2;
const PCI_PM_SIZEOF = 8;
const PCI_PM_VERSION_3 = 0x3;
/** D3hot to D0 keeps the registers. */
export const PCI_PM_CTRL_NO_SOFT_RESET = 0x8;

const PCI_MSI_FLAGS = 2;
const PCI_MSI_FLAGS_ENABLE = 0x1;
const PCI_MSI_FLAGS_QSIZE = 0x70;
const PCI_MSI_FLAGS_64BIT = 0x80;
const PCI_MSI_ADDRESS_LO = 4;
const PCI_MSI_ADDRESS_HI = 8;
const PCI_MSI_DATA_64 = 12;
const PCI_MSI_64_SIZEOF = 14;

const PCI_EXP_FLAGS = 2;
const PCI_EXP_VERSION_2 = 0x2;
const PCI_EXP_DEVCAP = 4;
const PCI_EXP_DEVCAP_RBER = 0x8000;
const PCI_EXP_DEVCAP_FLR = 0x1000_0000;
/** Device control; hardware begins a function-level reset when PCI_EXP_DEVCTL_BCR_FLR is written. */
export const PCI_EXP_DEVCTL = 8;
export const PCI_EXP_DEVCTL_BCR_FLR = 0x8000;
const PCI_EXP_DEVSTA = 10;
const PCI_EXP_LNKCAP = 12;
const PCI_EXP_LNKSTA = 18;
const PCI_EXP_DEVCTL2 = 40;
const PCI_EXP_SIZEOF = 60;
/** 2.5 GT/s, one lane: what a link must at least be. */
const SLOWEST_LINK = 0x11;

// Advanced Capabilities for Conventional PCI: linux/pci_regs.h
const PCI_CAP_ID_AF = 0x13;
const PCI_AF_LENGTH = 2;
const PCI_AF_CAP = 3;
/** Transactions pending can be seen, and a function-level reset asked for. */
const PCI_AF_CAP_TP_FLR = 0x3;
/** Hardware begins a function-level reset when PCI_AF_CTRL_FLR is written. */
export const PCI_AF_CTRL = 4;
export const PCI_AF_CTRL_FLR = 0x1;
const PCI_AF_SIZEOF = 6;

/** Id, link, and how long it is. */
export const VENDOR_HEADER = 3;

/** Bytes that the capability takes. */
export function capabilitySize(capability: PciCapabilityDescription): number {
  switch (capability.type) {
    case "pm":
      return PCI_PM_SIZEOF;
    case "msi":
      return PCI_MSI_64_SIZEOF;
    case "msix":
      return PCI_CAP_MSIX_SIZEOF;
    case "pcie":
      return PCI_EXP_SIZEOF;
    case "af":
      return PCI_AF_SIZEOF;
    case "vendor":
      return VENDOR_HEADER + capability.data.length;
  }
}

/** @throws ERR_ARGUMENT where there cannot be so many interrupts, or their structures cannot stand there */
export function checkVectors(capability: Extract<PciCapabilityDescription, { vectors: number }>): void {
  if (capability.type === "msi") msiOrder(capability.vectors);
  else checkMsix(capability);
}

/** Defines the capability's registers at `at`, behind its id and the link to the next one. */
export function defineCapability(
  config: MaskedBytes,
  at: number,
  capability: PciCapabilityDescription,
): number {
  switch (capability.type) {
    case "pm":
      config.define(at + PCI_PM_PMC, 2, PCI_PM_VERSION_3);
      config.define(at + PCI_PM_CTRL, 2, capability.softReset === true ? 0 : PCI_PM_CTRL_NO_SOFT_RESET, {
        writable: PCI_PM_CTRL_STATE_MASK,
      });
      return PCI_CAP_ID_PM;
    case "msi":
      defineMsi(config, at, capability.vectors);
      return PCI_CAP_ID_MSI;
    case "msix":
      checkMsix(capability);
      config.define(at + PCI_MSIX_FLAGS, 2, capability.vectors - 1, {
        writable: PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL,
      });
      config.define(at + PCI_MSIX_TABLE, 4, capability.table.offset | capability.table.bar);
      config.define(at + PCI_MSIX_PBA, 4, capability.pba.offset | capability.pba.bar);
      return PCI_CAP_ID_MSIX;
    case "pcie":
      defineExpress(config, at);
      return PCI_CAP_ID_EXP;
    case "af":
      config.define(at + PCI_AF_LENGTH, 1, PCI_AF_SIZEOF);
      config.define(at + PCI_AF_CAP, 1, PCI_AF_CAP_TP_FLR);
      return PCI_CAP_ID_AF;
    case "vendor":
      config.define(at + 2, 1, capabilitySize(capability));
      defineData(config, "capability vendor", { start: at + VENDOR_HEADER, capability });
      return PCI_CAP_ID_VNDR;
  }
}

function defineMsi(config: MaskedBytes, at: number, vectors: number): void {
  config.define(at + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_64BIT | (msiOrder(vectors) << 1), {
    writable: PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE,
  });
  config.define(at + PCI_MSI_ADDRESS_LO, 4, 0, { writable: 0xffff_fffc });
  config.define(at + PCI_MSI_ADDRESS_HI, 4, 0, { writable: 0xffff_ffff });
  config.define(at + PCI_MSI_DATA_64, 2, 0, { writable: 0xffff });
}

/** As the capability says how many there are. */
function msiOrder(vectors: number): number {
  const log2 = [1, 2, 4, 8, 16, 32].indexOf(vectors);
  if (log2 === -1) throw refused(`${vectors} MSI vectors`, "there can be 1, 2, 4, 8, 16 or 32");
  return log2;
}

function checkMsix({ vectors, table, pba }: { vectors: number; table: InBar; pba: InBar }): void {
  if (!Number.isInteger(vectors) || vectors < 1 || vectors > 2048) {
    throw refused(`${vectors} MSI-X vectors`, "there can be 1 to 2048");
  }
  for (const { bar, offset } of [table, pba]) {
    if (![0, 1, 2, 3, 4, 5].includes(bar) || offset % 8 !== 0 || offset < 0 || offset >= 2 ** 32) {
      throw refused(
        `an MSI-X structure at ${offset} of BAR ${bar}`,
        "it must be at a multiple of 8 in BAR 0 to 5",
      );
    }
  }
}

function defineExpress(config: MaskedBytes, at: number): void {
  config.define(at + PCI_EXP_FLAGS, 2, PCI_EXP_VERSION_2);
  config.define(at + PCI_EXP_DEVCAP, 4, PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_FLR);
  config.define(at + PCI_EXP_DEVCTL, 2, 0x2810, { writable: 0x7fff });
  config.define(at + PCI_EXP_DEVSTA, 2, 0, { clearedByOne: 0xf });
  config.define(at + PCI_EXP_LNKCAP, 4, SLOWEST_LINK);
  config.define(at + PCI_EXP_LNKSTA, 2, SLOWEST_LINK);
  config.define(at + PCI_EXP_DEVCTL2, 2, 0, { writable: 0x1f });
}

function refused(what: string, problem: string) {
  return hugebarError("ERR_ARGUMENT", { what, problem });
}
