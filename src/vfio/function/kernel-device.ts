import { PCI_COMMAND, PCI_COMMAND_MEMORY } from "../../device/file/pci-regs.ts";
import type {
  DeviceInfo,
  IoAddressSpace,
  IoEventFdInfo,
  IrqInfo,
  IrqRequest,
  KernelControls,
  RegionInfo,
  Transport,
} from "../../device/transport/transport.ts";
import {
  VFIO_DEVICE_FLAGS_PCI,
  VFIO_DEVICE_FLAGS_RESET,
  VFIO_DEVICE_INFO,
  VFIO_IRQ_INFO,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_ROM_REGION_INDEX,
} from "../../device/transport/vfio-abi.ts";
import { hugebarError } from "../../errors.ts";
import type { Area } from "../../layout/areas.ts";
import { closeEach } from "../../system/closing.ts";
import type { Descriptors } from "../../system/descriptors.ts";
import { SystemCallError, type System } from "../../system/system.ts";
import { requestError } from "../ioctls/request-error.ts";
import { exportDmaBuf } from "./dma-buf.ts";
import { encodeIrqSet } from "../ioctls/irq-set.ts";
import { KernelRegions } from "./kernel-regions.ts";
import { PciControls, type GroupFiles } from "./pci-controls.ts";
import type { PciDevice } from "../sysfs/pci-device.ts";
import {
  VFIO_DEVICE_GET_INFO,
  VFIO_DEVICE_GET_IRQ_INFO,
  VFIO_DEVICE_RESET,
  VFIO_DEVICE_SET_IRQS,
} from "../ioctls/vfio-kernel-abi.ts";

/** What a `KernelDevice` is made of. */
export interface KernelDeviceParts {
  readonly device: PciDevice;
  /** The device's file, from now on the KernelDevice's to close. */
  readonly fd: number;
  /** Holds the file. */
  readonly descriptors: Descriptors;
  readonly system: System;
  readonly dma: IoAddressSpace & { closed: boolean };
  /** Switches memory decoding on before a mapping when it is off. */
  readonly enableMemory: boolean;
  readonly groupFiles: GroupFiles;
  readonly onClose: () => void;
}

/** A device behind a file of the kernel's, however that file was come by: group or cdev. */
export class KernelDevice implements Transport {
  readonly name: string;
  readonly dma: IoAddressSpace;
  readonly abandon: () => void;
  /** The kernel's migration goes by descriptors of its own: nothing here asks for it. */
  readonly migration = null;
  readonly #controls: PciControls;
  readonly #parts: KernelDeviceParts;
  readonly #info: DeviceInfo;
  readonly #regions: KernelRegions;
  #closed = false;

  constructor(parts: KernelDeviceParts) {
    this.name = parts.device.bdf;
    this.dma = parts.dma;
    this.#parts = parts;
    this.abandon = abandonAll(parts.descriptors, parts.dma);
    this.#controls = new PciControls(this.name, parts.fd, parts.groupFiles, parts.system);
    try {
      this.#info = this.#queryInfo();
      this.#regions = new KernelRegions(parts.device, parts.fd, this.#info, parts.system);
    } catch (error) {
      parts.descriptors.close(parts.fd);
      throw error;
    }
  }

  get controls(): KernelControls {
    this.#requireOpen();
    return this.#controls;
  }

  info(): DeviceInfo {
    return this.#info;
  }

  regionInfo(index: number): RegionInfo {
    this.#requireOpen();
    return this.#regions.info(index);
  }

  read(index: number, offset: number, target: Uint8Array): void {
    this.#requireOpen();
    this.#regions.read(index, offset, target);
  }

  write(index: number, offset: number, source: Uint8Array): void {
    this.#requireOpen();
    this.#regions.write(index, offset, source);
  }

  reset(): void {
    this.#requireOpen();
    const action = `reset ${this.name}`;
    if ((this.#info.flags & VFIO_DEVICE_FLAGS_RESET) === 0) {
      throw hugebarError("ERR_NOT_SUPPORTED", {
        action,
        problem: "the kernel knows no way to reset this device",
      });
    }
    this.#try(action, () => this.#ioctl(VFIO_DEVICE_RESET, 0));
  }

  prepareToMap(index: number): null {
    if ((this.#info.flags & VFIO_DEVICE_FLAGS_PCI) === 0 || index > VFIO_PCI_ROM_REGION_INDEX) return null;
    if (this.#decodesMemory()) return null;
    if (this.#parts.enableMemory) {
      this.#enableMemory();
      if (this.#decodesMemory()) return null;
    }
    throw hugebarError("ERR_REGION_MAP", {
      region: `${index} of ${this.name}`,
      problem: this.#parts.enableMemory
        ? "the device's memory decoding stays off though it was switched on, and touching the mapping would be a fatal signal"
        : "the device's memory decoding is off, and touching the mapping would be a fatal signal; open the device with enableMemory (--enable-memory) to switch it on",
    });
  }

  /** The kernel's VFIO names none: its VFIO_DEVICE_IOEVENTFD goes the other way, and leaves the choice to the user. */
  ioeventfds(): readonly IoEventFdInfo[] {
    this.#requireOpen();
    return [];
  }

  irqInfo(index: number): IrqInfo {
    this.#requireOpen();
    this.#requireIrq(index);
    const request = VFIO_IRQ_INFO.encode({ argsz: VFIO_IRQ_INFO.size, index });
    const action = `read the description of interrupt ${index} of ${this.name}`;
    this.#try(action, () => {
      try {
        this.#ioctl(VFIO_DEVICE_GET_IRQ_INFO, request);
      } catch (error) {
        // vfio_pci_ioctl_get_irq_info(): errors are told of for PCI Express only.
        if (!(error instanceof SystemCallError) || error.code !== "EINVAL") throw error;
        throw hugebarError(
          "ERR_NOT_SUPPORTED",
          { action, problem: "the device has no such interrupt" },
          error,
        );
      }
    });
    const { flags, count } = VFIO_IRQ_INFO.decode(request);
    return { index, flags, count };
  }

  setIrqs(request: IrqRequest): void {
    this.#requireOpen();
    this.#requireIrq(request.index);
    this.#try(`set interrupt ${request.index} of ${this.name}`, () =>
      this.#ioctl(VFIO_DEVICE_SET_IRQS, encodeIrqSet(request)),
    );
  }

  exportDmaBuf(index: number, area: Area): number {
    this.#requireOpen();
    const action = `export region ${index} of ${this.name} as a dma-buf`;
    return this.#try(action, () => exportDmaBuf(this.#parts.fd, index, area, action, this.#parts.system));
  }

  close(): void {
    this.#closed = true;
    const { descriptors, fd, onClose } = this.#parts;
    closeEach(`device ${this.name}`, [() => descriptors.close(fd), onClose]);
  }

  #queryInfo(): DeviceInfo {
    const request = VFIO_DEVICE_INFO.encode({ argsz: VFIO_DEVICE_INFO.size });
    this.#try(`read the description of ${this.name}`, () => this.#ioctl(VFIO_DEVICE_GET_INFO, request));
    const { flags, num_regions, num_irqs } = VFIO_DEVICE_INFO.decode(request);
    return { flags, regionCount: num_regions, irqCount: num_irqs };
  }

  #decodesMemory(): boolean {
    return (this.#readCommand().getUint16(0, true) & PCI_COMMAND_MEMORY) !== 0;
  }

  #enableMemory(): void {
    const command = this.#readCommand();
    command.setUint16(0, command.getUint16(0, true) | PCI_COMMAND_MEMORY, true);
    this.write(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, new Uint8Array(command.buffer));
  }

  #readCommand(): DataView {
    const command = new Uint8Array(2);
    this.read(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, command);
    return new DataView(command.buffer);
  }

  #ioctl(request: number, argument: Uint8Array | number): number {
    return this.#parts.system.ioctl(this.#parts.fd, request, argument);
  }

  #try<Result>(action: string, call: () => Result): Result {
    try {
      return call();
    } catch (error) {
      throw requestError(action, error);
    }
  }

  #requireIrq(index: number): void {
    const { irqCount } = this.#info;
    if (Number.isInteger(index) && index >= 0 && index < irqCount) return;
    throw hugebarError("ERR_ARGUMENT", {
      what: `interrupt ${index} of ${this.name}`,
      problem: irqCount === 0 ? "it has no interrupts" : `it has interrupts 0 to ${irqCount - 1}`,
    });
  }

  #requireOpen(): void {
    if (this.#closed) throw hugebarError("ERR_CLOSED", { what: `device ${this.name}` });
  }
}

/** A function of its own, that refers to no device: closes its files, and the container's, which went with it. */
function abandonAll(descriptors: Descriptors, dma: { closed: boolean }): () => void {
  return () => {
    dma.closed = true;
    closeEach(
      "descriptors",
      descriptors.remaining.map((fd) => () => descriptors.close(fd)),
    );
  };
}
