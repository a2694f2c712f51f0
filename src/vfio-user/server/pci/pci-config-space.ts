/** A PCI device's configuration space, made from its description; it behaves as hardware does. */

import { hugebarError, type HugebarError } from "../../../errors.ts";
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
import type { MaybePromise } from "../link/session.ts";
import type { DeviceClient } from "../parts/device-client.ts";
import type { ResetKind } from "../parts/reset-kind.ts";
import type { IntxGate } from "../parts/served-interrupts.ts";
import { MaskedBytes } from "../registers/masked-bytes.ts";
import { beginsReset, D3HOT, powerState, type CapabilityPlaces } from "./begun-resets.ts";
import { handleAccess, type PlacedData } from "./capability-data.ts";
import { placeAll } from "./capability-places.ts";
import {
  capabilitySize,
  defineCapability,
  VENDOR_HEADER,
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
  /**
   * DMA and message-signalled interrupts go on where the client has switched bus mastering off; else `client.dma` throws
   * ERR_ACCESS_DENIED then, and MSI and MSI-X are lost, as what they are: writes to memory.
   */
  readonly ignoresBusMaster?: boolean;
  readonly capabilities?: readonly PciCapabilityDescription[];
  /** Those of a PCI Express device, which has capability `pcie`, behind the first 256 bytes. */
  readonly extendedCapabilities?: readonly PciExtendedCapability[];
}

export interface PciConfigSpace {
  readonly size: number;
  read(offset: number, target: Uint8Array, client: DeviceClient): MaybePromise<void>;
  /** Tells which reset the write begins, if any. */
  write(offset: number, source: Uint8Array, client: DeviceClient): MaybePromise<ResetKind | null>;
  /** Whether BARs of that kind answer. */
  decodes(type: BarShape["type"]): boolean;
  /** Whether the device may do DMA and signal interrupts by messages. */
  mastersBus(): boolean;
  readonly intx: IntxGate;
  reset(): void;
}

const PCI_CFG_SPACE_EXP_SIZE = 0x1000;
const PCI_CACHE_LINE_SIZE = 0x0c;
const PCI_INTERRUPT_LINE = 0x3c;
const PCI_INTERRUPT_PIN = 0x3d;
const PCI_COMMAND_PARITY = 0x40;
const PCI_COMMAND_SERR = 0x100;
const PCI_STATUS_INTERRUPT = 0x8;
/** Errors that a 1 clears: parity, aborts, system error. */
const PCI_STATUS_ERRORS = 0xf900;

/** @throws ERR_ARGUMENT when the description is no PCI device's. */
export function pciConfigSpace(description: PciDescription, bars: readonly BarShape[]): PciConfigSpace {
  const { capabilities = [], extendedCapabilities = [], ignoresBusMaster = false } = description;
  const express = capabilities.some(({ type }) => type === "pcie");
  const config = new MaskedBytes(express ? PCI_CFG_SPACE_EXP_SIZE : PCI_CFG_SPACE_SIZE);
  defineHeader(config, description, bars);
  for (const bar of bars) defineBar(config, bar);
  const { places, data } = defineCapabilities(config, capabilities);
  if (extendedCapabilities.length > 0 && !express) {
    const problem = "only a PCI Express device has them; give it capability pcie";
    throw hugebarError("ERR_ARGUMENT", { what: "extended capabilities", problem });
  }
  data.push(...defineExtendedCapabilities(config, extendedCapabilities));
  // In D3hot a function answers to configuration space alone, and begins nothing (PCI Power Management 1.2, 5.4.1).
  const switchedOn = (bit: number): boolean =>
    (config.get(PCI_COMMAND, 1) & bit) !== 0 && powerState(config, places) !== D3HOT;
  return {
    size: config.size,
    read(offset, target, client) {
      config.read(offset, target);
      return handleAccess(data, "onRead", { offset, bytes: target, client });
    },
    write(offset, source, client) {
      const before = powerState(config, places);
      config.write(offset, source);
      const reset = beginsReset(config, places, { offset, source, before });
      return handleAccess(data, "onWrite", { offset, bytes: source, client })?.then(() => reset) ?? reset;
    },
    decodes: (type) => switchedOn(type === "io" ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY),
    mastersBus: () => ignoresBusMaster || switchedOn(PCI_COMMAND_MASTER),
    intx: {
      isOpen: () => (config.get(PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE) === 0,
      showWaiting(waits) {
        const status = config.get(PCI_STATUS, 1);
        config.put(
          PCI_STATUS,
          Uint8Array.of(waits ? status | PCI_STATUS_INTERRUPT : status & ~PCI_STATUS_INTERRUPT),
        );
      },
    },
    reset: () => config.reset(),
  };
}

function defineHeader(config: MaskedBytes, description: PciDescription, bars: readonly BarShape[]): void {
  const { vendor, device, subsystemVendor = 0, subsystem = 0, revision = 0, intx = false } = description;
  const { class: classCode = 0xff_0000 } = description;
  for (const [what, value] of Object.entries({ vendor, device, subsystemVendor, subsystem })) {
    checkBits(what, value, 0xffff);
  }
  checkBits("class", classCode, 0xff_ffff);
  checkBits("revision", revision, 0xff);
  config.define(PCI_VENDOR_ID, 2, vendor);
  config.define(PCI_DEVICE_ID, 2, device);
  const has = (wanted: BarShape["type"]): boolean => bars.some(({ type }) => type === wanted);
  // As a driver has it that has enabled the device: clients that never write the register find a device that works. The
  // kernel's VFIO enables devices as it hands them out, too, but not their bus mastering (vfio_pci_core_enable).
  const initial =
    (has("io") ? PCI_COMMAND_IO : 0) | (has("memory") ? PCI_COMMAND_MEMORY : 0) | PCI_COMMAND_MASTER;
  const writable =
    initial | PCI_COMMAND_MEMORY | PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE;
  config.define(PCI_COMMAND, 2, initial, { writable });
  config.define(PCI_CLASS_REVISION, 4, classCode * 0x100 + revision);
  config.define(PCI_CACHE_LINE_SIZE, 1, 0, { writable: 0xff });
  config.define(PCI_SUBSYSTEM_VENDOR_ID, 2, subsystemVendor);
  config.define(PCI_SUBSYSTEM_ID, 2, subsystem);
  config.define(PCI_INTERRUPT_LINE, 1, 0, { writable: 0xff });
  config.define(PCI_INTERRUPT_PIN, 1, intx ? 1 : 0);
}

/** Chains the capabilities behind the header, in their order; tells where each type stands, and the data of some. */
function defineCapabilities(
  config: MaskedBytes,
  capabilities: readonly PciCapabilityDescription[],
): { readonly places: CapabilityPlaces; readonly data: PlacedData[] } {
  const refused = (type: string | undefined, problem: string): HugebarError =>
    hugebarError("ERR_ARGUMENT", { what: `capability ${type}`, problem });
  const starts = placeAll(
    capabilities.map((capability) => {
      return { size: Math.ceil(capabilitySize(capability) / 4) * 4, offset: capability.offset };
    }),
    [PCI_STD_HEADER_SIZEOF, PCI_CFG_SPACE_SIZE],
    (item, problem) => refused(capabilities[item]?.type, problem),
  );
  const places = new Map<string, number>();
  const data: PlacedData[] = [];
  let link = PCI_CAPABILITY_LIST;
  for (const [item, capability] of capabilities.entries()) {
    const { type } = capability;
    const at = starts[item] ?? 0;
    if (type === "vendor") data.push({ start: at + VENDOR_HEADER, capability });
    else if (places.has(type)) throw refused(type, "it is described twice");
    config.define(at, 1, defineCapability(config, at, capability));
    config.define(link, 1, at);
    places.set(type, at);
    link = at + PCI_CAP_LIST_NEXT;
  }
  config.define(PCI_STATUS, 2, capabilities.length === 0 ? 0 : PCI_STATUS_CAP_LIST, {
    clearedByOne: PCI_STATUS_ERRORS,
  });
  return { places, data };
}

function checkBits(what: string, value: number, mask: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= mask) return;
  const problem = `it must be a whole number from 0 to 0x${mask.toString(16)}`;
  throw hugebarError("ERR_ARGUMENT", { what: `${what} ${value}`, problem });
}
