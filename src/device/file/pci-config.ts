import { hugebarError } from "../../errors.ts";
import { describeValue, requireWhole, requireWord } from "../../arguments.ts";
import {
  decodeConfigSpace,
  walkExtendedCapabilities,
  type ConfigSpace,
  type ExtendedCapability,
  type MsixCapability,
  type PciCapability,
} from "./config-space.ts";
import {
  PCI_CAP_ID_PM,
  PCI_CFG_SPACE_EXP_SIZE,
  PCI_CFG_SPACE_SIZE,
  PCI_COMMAND,
  PCI_COMMAND_MASTER,
  PCI_PM_CTRL,
  PCI_PM_CTRL_STATE_MASK,
} from "./pci-regs.ts";
import type { RegionFile } from "./region-file.ts";

/** How much of a device is awake: D0 is on, D3hot is as good as off, with configuration space alone. */
export type PowerState = (typeof POWER_STATES)[number];
const POWER_STATES = ["D0", "D1", "D2", "D3hot"] as const;

/**
 * A device's PCI configuration space. Everything is read anew each time; numbers are little-endian, offsets in bytes from
 * its start. An access is one of exactly that width, aligned to it.
 *
 * Every access throws ERR_ACCESS_RANGE outside of it, ERR_ACCESS_ALIGNMENT where it is not aligned, ERR_CLOSED once the
 * device is closed, and what the transport throws.
 *
 * @example
 * const { config } = device;
 * console.log(config.vendor.toString(16), config.capabilities);
 * config.write16(PCI_COMMAND, config.read16(PCI_COMMAND) | PCI_COMMAND_INTX_DISABLE);
 */
export class PciConfig implements ConfigSpace {
  /** Bytes: 256, or 4096 for PCI Express. */
  readonly size: number;
  readonly #device: string;
  /** All of its writes, these and those of region 7 and its mappings, go through this one. */
  readonly #file: RegionFile;

  /** @internal */
  constructor(device: string, size: number, file: RegionFile) {
    this.#device = device;
    this.size = size;
    this.#file = file;
  }

  read8(offset: number): number {
    this.#check(offset, 1, "read");
    return this.#file.readWord(offset, 1).getUint8(0);
  }

  read16(offset: number): number {
    this.#check(offset, 2, "read");
    return this.#file.readWord(offset, 2).getUint16(0, true);
  }

  read32(offset: number): number {
    this.#check(offset, 4, "read");
    return this.#file.readWord(offset, 4).getUint32(0, true);
  }

  /** @param value 0 to 2^8 − 1. @throws ERR_ARGUMENT for another */
  write8(offset: number, value: number): void {
    this.#check(offset, 1, "write", value);
    this.#file.writeWord(offset, 1, (word) => word.setUint8(0, value));
  }

  /** @param value 0 to 2^16 − 1. @throws ERR_ARGUMENT for another */
  write16(offset: number, value: number): void {
    this.#check(offset, 2, "write", value);
    this.#file.writeWord(offset, 2, (word) => word.setUint16(0, value, true));
  }

  /** @param value 0 to 2^32 − 1. @throws ERR_ARGUMENT for another */
  write32(offset: number, value: number): void {
    this.#check(offset, 4, "write", value);
    this.#file.writeWord(offset, 4, (word) => word.setUint32(0, value, true));
  }

  /** All that its first 256 bytes say, of one moment. @throws ERR_PROTOCOL when the device does not answer */
  decode(): ConfigSpace {
    const bytes = new Uint8Array(Math.min(this.size, PCI_CFG_SPACE_SIZE));
    this.#file.read(0, bytes);
    return decodeConfigSpace(bytes, this.#device);
  }

  get vendor(): number {
    return this.decode().vendor;
  }

  get device(): number {
    return this.decode().device;
  }

  /** Class, subclass and programming interface: 0x010802 for NVMe. */
  get class(): number {
    return this.decode().class;
  }

  get revision(): number {
    return this.decode().revision;
  }

  /** Null for a bridge, whose header has no such fields. */
  get subsystem(): { readonly vendor: number; readonly device: number } | null {
    return this.decode().subsystem;
  }

  /** PCI_COMMAND_… */
  get command(): number {
    return this.decode().command;
  }

  get status(): number {
    return this.decode().status;
  }

  get headerType(): number {
    return this.decode().headerType;
  }

  /** In the order of the list. */
  get capabilities(): readonly PciCapability[] {
    return this.decode().capabilities;
  }

  /** Those of PCI Express, behind the first 256 bytes; none where there are no more. */
  get extendedCapabilities(): readonly ExtendedCapability[] {
    if (this.size < PCI_CFG_SPACE_EXP_SIZE) return [];
    const bytes = new Uint8Array(PCI_CFG_SPACE_EXP_SIZE);
    this.#file.read(PCI_CFG_SPACE_SIZE, bytes.subarray(PCI_CFG_SPACE_SIZE));
    return [...walkExtendedCapabilities(bytes)];
  }

  get msix(): MsixCapability | null {
    return this.decode().msix;
  }

  /** Whether the device may reach memory (PCI_COMMAND_MASTER). */
  get busMaster(): boolean {
    return (this.read16(PCI_COMMAND) & PCI_COMMAND_MASTER) !== 0;
  }

  /**
   * @internal Switches a bit of the command register; nothing else of it changes.
   *
   * @returns whether the device took it
   */
  switchCommand(bit: number, enabled: boolean): boolean {
    const command = this.read16(PCI_COMMAND);
    const wanted = enabled ? command | bit : command & ~bit;
    if (wanted !== command) this.write16(PCI_COMMAND, wanted);
    return ((this.read16(PCI_COMMAND) & bit) !== 0) === enabled;
  }

  /** Lets the device reach memory, or no longer; nothing else of the command register changes. */
  setBusMaster(enabled: boolean): void {
    if (this.switchCommand(PCI_COMMAND_MASTER, enabled)) return;
    throw hugebarError("ERR_NOT_SUPPORTED", {
      action: `switch bus mastering of ${this.#device} ${enabled ? "on" : "off"}`,
      problem: "the device does not take it: the bit stays as it was",
    });
  }

  /** D0 for a device that cannot tell. */
  get powerState(): PowerState {
    const control = this.#powerControl();
    return control === null ? "D0" : (POWER_STATES[this.read16(control) & PCI_PM_CTRL_STATE_MASK] ?? "D0");
  }

  /**
   * Puts the device to sleep, or wakes it. In D3hot its memory does not answer. Some devices forget all registers there.
   *
   * @throws ERR_NOT_SUPPORTED where the device, or the state, is not to be had; ERR_ARGUMENT
   */
  setPowerState(state: PowerState): void {
    requireWord("power state", state, POWER_STATES);
    const control = this.#powerControl();
    const action = `put ${this.#device} into ${state}`;
    if (control === null) {
      if (state === "D0") return;
      throw hugebarError("ERR_NOT_SUPPORTED", { action, problem: "it has no power management" });
    }
    const register = this.read16(control) & ~PCI_PM_CTRL_STATE_MASK;
    this.write16(control, register | POWER_STATES.indexOf(state));
    const found = this.powerState;
    if (found === state) return;
    throw hugebarError("ERR_NOT_SUPPORTED", { action, problem: `it does not take it, and is in ${found}` });
  }

  /** Where the power management's control register is. */
  #powerControl(): number | null {
    const capability = this.capabilities.find(({ id }) => id === PCI_CAP_ID_PM);
    return capability === undefined ? null : capability.offset + PCI_PM_CTRL;
  }

  #check(offset: number, width: number, access: "read" | "write", value?: number): void {
    if (access === "write") requireWhole(`value of ${width} bytes`, value, 0, 2 ** (8 * width) - 1);
    const details = {
      access: `${access} ${width} bytes at ${describeValue(offset)}`,
      target: `the configuration space of ${this.#device}`,
    };
    if (!Number.isSafeInteger(offset) || offset < 0 || offset + width > this.size) {
      throw hugebarError("ERR_ACCESS_RANGE", { ...details, problem: `it has ${this.size} bytes` });
    }
    if (offset % width !== 0) {
      throw hugebarError("ERR_ACCESS_ALIGNMENT", {
        ...details,
        problem: `the offset is no multiple of ${width}`,
      });
    }
  }
}
