/** A PCI device's configuration space, made from its description; it behaves as hardware does. */

import { hugebarError } from "../../../errors.ts";
import {
  PCI_CAPABILITY_LIST,
  PCI_CAP_LIST_NEXT,
  PCI_CFG_SPACE_SIZE,
  PCI_CLASS_REVISION,
  PCI_COMMAND,
  PCI_COMMAND_INTX_DISABLE,
  PCI_COMMAND_IO,
  PCI_COMMAND_MASTER,
  PCI_COMMAND_MEMORY,
  PCI_DEVICE_ID,
  PCI_STATUS,
  PCI_STATUS_CAP_LIST,
  PCI_STD_HEADER_SIZEOF,
  PCI_SUBSYSTEM_ID,
  PCI_SUBSYSTEM_VENDOR_ID,
  PCI_VENDOR_ID,
} from "../../../device/file/pci-regs.ts";
import { defineExtendedCapabilities, type PciExtendedCapability } from "./extended-capabilities.ts";
import { defineBar, type BarShape } from "./bars.ts";
import { MaskedBytes } from "../registers/masked-bytes.ts";
import {
  capabilitySize,
  defineCapability,
  PCI_EXP_DEVCTL,
  PCI_EXP_DEVCTL_BCR_FLR,
  type PciCapabilityDescription,
} from "./pci-capabilities.ts";

/** What makes a device a PCI device: its identity and its capabilities. Its BARs are regions 0 to 5. */
export interface PciDescription {
  /** 16 bits each. */
  readonly vendor: number;
  readonly device: number;
  readonly subsystemVendor?: number;
  readonly subsystem?: number;
  /** 24 bits: base class, subclass, programming interface. 0xff0000 (unassigned), if left out. */
  readonly class?: number;
  readonly revision?: number;
  /** The device has an INTx interrupt (pin A). */
  readonly intx?: boolean;
  readonly capabilities?: readonly PciCapabilityDescription[];
  /** Those of a PCI Express device, which has capability `pcie`, behind the first 256 bytes. */
  readonly extendedCapabilities?: readonly PciExtendedCapability[];
}

export interface PciConfigSpace {
  readonly size: number;
  read(offset: number, target: Uint8Array): void;
  /** Returns true when the write began a function-level reset. */
  write(offset: number, source: Uint8Array): boolean;
  reset(): void;
}

const PCI_CFG_SPACE_EXP_SIZE = 0x1000;
const PCI_CACHE_LINE_SIZE = 0x0c;
const PCI_INTERRUPT_LINE = 0x3c;
const PCI_INTERRUPT_PIN = 0x3d;
const PCI_COMMAND_PARITY = 0x40;
const PCI_COMMAND_SERR = 0x100;
/** Errors that a 1 clears: parity, aborts, system error. */
const PCI_STATUS_ERRORS = 0xf900;

/** @throws ERR_ARGUMENT when the description is no PCI device's. */
export function pciConfigSpace(description: PciDescription, bars: readonly BarShape[]): PciConfigSpace {
  const { capabilities = [], extendedCapabilities = [] } = description;
  const express = capabilities.some(({ type }) => type === "pcie");
  const config = new MaskedBytes(express ? PCI_CFG_SPACE_EXP_SIZE : PCI_CFG_SPACE_SIZE);
  defineHeader(
    config,
    description,
    bars.some(({ type }) => type === "io"),
  );
  for (const bar of bars) defineBar(config, bar);
  const places = defineCapabilities(config, capabilities);
  if (extendedCapabilities.length > 0 && !express) {
    const problem = "only a PCI Express device has them; give it capability pcie";
    throw hugebarError("ERR_ARGUMENT", { what: "extended capabilities", problem });
  }
  defineExtendedCapabilities(config, extendedCapabilities);
  const deviceControl = places.get("pcie");
  return {
    size: config.size,
    read: (offset, target) => config.read(offset, target),
    write(offset, source) {
      config.write(offset, source);
      return deviceControl !== undefined && writesReset(deviceControl + PCI_EXP_DEVCTL, offset, source);
    },
    reset: () => config.reset(),
  };
}

function defineHeader(config: MaskedBytes, description: PciDescription, io: boolean): void {
  const { vendor, device, subsystemVendor = 0, subsystem = 0, revision = 0, intx = false } = description;
  const { class: classCode = 0xff_0000 } = description;
  for (const [what, value] of Object.entries({ vendor, device, subsystemVendor, subsystem })) {
    checkBits(what, value, 0xffff);
  }
  checkBits("class", classCode, 0xff_ffff);
  checkBits("revision", revision, 0xff);
  config.define(PCI_VENDOR_ID, 2, vendor);
  config.define(PCI_DEVICE_ID, 2, device);
  const command =
    (io ? PCI_COMMAND_IO : 0) |
    PCI_COMMAND_MEMORY |
    PCI_COMMAND_MASTER |
    PCI_COMMAND_PARITY |
    PCI_COMMAND_SERR |
    PCI_COMMAND_INTX_DISABLE;
  config.define(PCI_COMMAND, 2, 0, { writable: command });
  config.define(PCI_CLASS_REVISION, 4, classCode * 0x100 + revision);
  config.define(PCI_CACHE_LINE_SIZE, 1, 0, { writable: 0xff });
  config.define(PCI_SUBSYSTEM_VENDOR_ID, 2, subsystemVendor);
  config.define(PCI_SUBSYSTEM_ID, 2, subsystem);
  config.define(PCI_INTERRUPT_LINE, 1, 0, { writable: 0xff });
  config.define(PCI_INTERRUPT_PIN, 1, intx ? 1 : 0);
}

/** Chains the capabilities behind the header; tells where each type stands. */
function defineCapabilities(
  config: MaskedBytes,
  capabilities: readonly PciCapabilityDescription[],
): ReadonlyMap<string, number> {
  const places = new Map<string, number>();
  let link = PCI_CAPABILITY_LIST;
  let at = PCI_STD_HEADER_SIZEOF;
  for (const capability of capabilities) {
    const { type } = capability;
    if (type !== "vendor" && places.has(type)) {
      throw hugebarError("ERR_ARGUMENT", { what: `capability ${type}`, problem: "it is described twice" });
    }
    const end = at + capabilitySize(capability);
    if (end > PCI_CFG_SPACE_SIZE) {
      const problem = "configuration space has no room for it behind the others";
      throw hugebarError("ERR_ARGUMENT", { what: `capability ${type}`, problem });
    }
    config.define(at, 1, defineCapability(config, at, capability));
    config.define(link, 1, at);
    places.set(type, at);
    link = at + PCI_CAP_LIST_NEXT;
    at = Math.ceil(end / 4) * 4;
  }
  config.define(PCI_STATUS, 2, capabilities.length === 0 ? 0 : PCI_STATUS_CAP_LIST, {
    clearedByOne: PCI_STATUS_ERRORS,
  });
  return places;
}

/** Whether the write set the bit that begins a function-level reset; the bit itself always reads as 0. */
function writesReset(deviceControl: number, offset: number, source: Uint8Array): boolean {
  const high = source[deviceControl + 1 - offset];
  return high !== undefined && (high & (PCI_EXP_DEVCTL_BCR_FLR >> 8)) !== 0;
}

function checkBits(what: string, value: number, mask: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= mask) return;
  const problem = `it must be a whole number from 0 to 0x${mask.toString(16)}`;
  throw hugebarError("ERR_ARGUMENT", { what: `${what} ${value}`, problem });
}
