/** What the kernel does with a PCI device besides regions and interrupts: hot reset, low power. */

import type { HotResetDevice, KernelControls } from "../../device/transport/transport.ts";
import {
  VFIO_DEVICE_FEATURE_ARGUMENT,
  VFIO_DEVICE_FEATURE_PROBE,
  VFIO_DEVICE_FEATURE_SET,
} from "../../device/transport/vfio-abi.ts";
import { hugebarError } from "../../errors.ts";
import { SystemCallError, type System } from "../../system/system.ts";
import { requestError } from "../ioctls/request-error.ts";
import {
  VFIO_DEVICE_FEATURE,
  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY,
  VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
  VFIO_DEVICE_GET_PCI_HOT_RESET_INFO,
  VFIO_DEVICE_PCI_HOT_RESET,
  VFIO_PCI_DEPENDENT_DEVICE,
  VFIO_PCI_HOT_RESET,
  VFIO_PCI_HOT_RESET_FLAG_DEV_ID,
  VFIO_PCI_HOT_RESET_INFO,
} from "../ioctls/vfio-kernel-abi.ts";

/** VFIO_PCI_DEVID_NOT_OWNED, −1 as it stands in the structure. */
const NOT_OWNED = 0xffff_ffff;
/** A bus has 256 functions; a slot's reset takes no more than a few of these. */
const MOST_DEVICES = 4096;

/** The files of IOMMU groups that a container holds, by the groups' numbers; null for one that it does not hold. */
export type GroupFiles = (group: number) => number | null;

interface Affected {
  readonly name: string;
  readonly owned: boolean;
  readonly group: number | null;
}

export class PciControls implements KernelControls {
  readonly #name: string;
  readonly #fd: number;
  readonly #groupFiles: GroupFiles;
  readonly #system: System;

  /** @param fd the device's file, which stays the caller's */
  constructor(name: string, fd: number, groupFiles: GroupFiles, system: System) {
    this.#name = name;
    this.#fd = fd;
    this.#groupFiles = groupFiles;
    this.#system = system;
  }

  hotResetDevices(): readonly HotResetDevice[] {
    return this.#affected().map(({ name, owned }) => ({ name, owned }));
  }

  hotReset(): void {
    const action = `hot-reset ${this.#name}`;
    const affected = this.#affected();
    const strangers = affected.filter(({ owned }) => !owned).map(({ name }) => name);
    if (strangers.length > 0) {
      const problem = `it would reset ${strangers.join(", ")} too, not open in this container`;
      throw hugebarError("ERR_BUSY", { action, problem });
    }
    // By cdev the kernel knows whose the devices are, and wants no groups.
    const groups = new Set(affected.flatMap(({ group }) => (group === null ? [] : [group])));
    const files = [...groups].flatMap((group) => this.#groupFiles(group) ?? []);
    const payload = new Uint8Array(Int32Array.from(files).buffer);
    const argsz = VFIO_PCI_HOT_RESET.size + payload.length;
    const request = VFIO_PCI_HOT_RESET.encode({ argsz, count: files.length }, payload.length);
    request.set(payload, VFIO_PCI_HOT_RESET.size);
    this.#ask(action, VFIO_DEVICE_PCI_HOT_RESET, request);
  }

  enterLowPower(): void {
    this.#feature(`let ${this.#name} into low power`, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);
  }

  exitLowPower(): void {
    this.#feature(`take ${this.#name} out of low power`, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);
  }

  #affected(): Affected[] {
    const action = `ask what a hot reset of ${this.#name} takes along`;
    for (let room = 16; ;) {
      const extra = room * VFIO_PCI_DEPENDENT_DEVICE.size;
      const { size } = VFIO_PCI_HOT_RESET_INFO;
      const request = VFIO_PCI_HOT_RESET_INFO.encode({ argsz: size + extra }, extra);
      const isWhole = this.#askForRoom(action, request);
      const { flags, count } = VFIO_PCI_HOT_RESET_INFO.decode(request);
      if (isWhole && count <= room) {
        const byDevice = (flags & VFIO_PCI_HOT_RESET_FLAG_DEV_ID) !== 0;
        return Array.from({ length: count }, (_, index) =>
          this.#decode(request, size + index * VFIO_PCI_DEPENDENT_DEVICE.size, byDevice),
        );
      }
      if (count <= room || count > MOST_DEVICES) {
        throw hugebarError("ERR_PROTOCOL", {
          action,
          problem: `the kernel asks for room for ${count} devices`,
        });
      }
      room = count;
    }
  }

  #decode(bytes: Uint8Array, at: number, byDevice: boolean): Affected {
    const { group_id: id, segment, bus, devfn } = VFIO_PCI_DEPENDENT_DEVICE.decode(bytes, at);
    const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
    const name = `${hex(segment, 4)}:${hex(bus, 2)}:${hex(devfn >> 3, 2)}.${devfn & 7}`;
    if (byDevice) return { name, owned: id !== NOT_OWNED, group: null };
    return { name, owned: this.#groupFiles(id) !== null, group: id };
  }

  /** False where there are more devices than there is room for. */
  #askForRoom(action: string, request: Uint8Array): boolean {
    try {
      this.#system.ioctl(this.#fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, request);
      return true;
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      if (error.code === "ENOSPC") return false;
      // vfio_pci_ioctl_get_pci_hot_reset_info(): neither its slot nor its bus can be reset, as on a root bus.
      if (error.code === "ENODEV") {
        const problem = "neither its slot nor its bus can be reset";
        throw hugebarError("ERR_NOT_SUPPORTED", { action, problem }, error);
      }
      throw requestError(action, error);
    }
  }

  #feature(action: string, feature: number): void {
    const { size: argsz } = VFIO_DEVICE_FEATURE_ARGUMENT;
    const flags = VFIO_DEVICE_FEATURE_SET | feature;
    const probe = VFIO_DEVICE_FEATURE_ARGUMENT.encode({ argsz, flags: flags | VFIO_DEVICE_FEATURE_PROBE });
    this.#ask(action, VFIO_DEVICE_FEATURE, probe);
    this.#ask(action, VFIO_DEVICE_FEATURE, VFIO_DEVICE_FEATURE_ARGUMENT.encode({ argsz, flags }));
  }

  #ask(action: string, request: number, argument: Uint8Array): void {
    try {
      this.#system.ioctl(this.#fd, request, argument);
    } catch (error) {
      throw requestError(action, error);
    }
  }
}
