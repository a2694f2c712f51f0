import { hugebarError } from "../errors.ts";
import { closeEach } from "../system/closing.ts";
import type { System } from "../system/system.ts";
import { decodeConfigSpace, type ConfigSpace } from "./config-space.ts";
import { publish } from "./diagnostics.ts";
import { DmaSpace } from "./dma/dma-space.ts";
import { Interrupts, type InterruptKind } from "./interrupts.ts";
import { PCI_CFG_SPACE_SIZE } from "./pci-regs.ts";
import { Region } from "./region.ts";
import type { DeviceInfo, Transport } from "./transport.ts";
import { VFIO_DEVICE_FLAGS_PCI, VFIO_PCI_CONFIG_REGION_INDEX } from "./vfio-abi.ts";

/**
 * One VFIO device. Open it with `openDevice`; close it when done, or hold it with `using`.
 *
 * @example
 * const device = openDevice("0000:01:00.0");
 * console.log(device.info.regionCount);
 * device.close();
 */
export class Device {
  /** The full name: `0000:01:00.0` or `vfio-user:/run/gpu.sock`. */
  readonly name: string;
  readonly info: DeviceInfo;
  readonly #transport: Transport;
  readonly #system: System;
  readonly #regions = new Map<number, Region>();
  readonly #interrupts = new Map<InterruptKind, Interrupts>();
  readonly #dma: DmaSpace;
  #closed = false;
  #finished = false;

  /**
   * @internal
   *
   * @param dma what the device maps; another's of the same address space where it shares one
   */
  constructor(transport: Transport, system: System, dma: DmaSpace = new DmaSpace(transport.dma)) {
    this.name = transport.name;
    this.info = transport.info();
    this.#transport = transport;
    this.#dma = dma;
    this.#system = system;
  }

  /**
   * The region with this index; BAR 0–5 are regions 0–5.
   *
   * @throws ERR_REGION_INDEX when the device has no such region; ERR_CLOSED.
   */
  region(index: number): Region {
    this.#requireOpen();
    const known = this.#regions.get(index);
    if (known !== undefined) return known;
    const { regionCount } = this.info;
    if (!Number.isInteger(index) || index < 0 || index >= regionCount) {
      throw hugebarError("ERR_REGION_INDEX", {
        index,
        device: this.name,
        problem: regionCount === 0 ? "it has no regions" : `it has regions 0 to ${regionCount - 1}`,
      });
    }
    const region = new Region(this.#transport, this.#system, this.#transport.regionInfo(index));
    this.#regions.set(index, region);
    publish("region.setup", {
      device: this.name,
      region: index,
      size: region.size,
      flags: region.flags,
      fdOffset: region.fdOffset,
    });
    publish("region.sparse", { device: this.name, region: index, areas: region.areas });
    return region;
  }

  /** All regions, in the order of their indices; unused ones have size 0. */
  regions(): readonly Region[] {
    return Array.from({ length: this.info.regionCount }, (_, index) => this.region(index));
  }

  /**
   * PCI configuration space, read anew each time: identity, command register, capabilities, MSI-X. Its bytes are
   * region 7.
   *
   * @throws ERR_NOT_SUPPORTED for a device that is not PCI; ERR_CLOSED.
   */
  get config(): ConfigSpace {
    this.#requireOpen();
    if ((this.info.flags & VFIO_DEVICE_FLAGS_PCI) === 0) {
      throw hugebarError("ERR_NOT_SUPPORTED", {
        action: `read the configuration space of ${this.name}`,
        problem: "it is no PCI device",
      });
    }
    const bytes = new Uint8Array(PCI_CFG_SPACE_SIZE);
    this.#transport.read(VFIO_PCI_CONFIG_REGION_INDEX, 0, bytes);
    return decodeConfigSpace(bytes, this.name);
  }

  /**
   * The device's interrupts of one kind.
   *
   * @throws ERR_CLOSED; what the transport throws when it cannot tell of them.
   */
  interrupts(kind: InterruptKind): Interrupts {
    this.#requireOpen();
    const known = this.#interrupts.get(kind);
    if (known !== undefined) return known;
    const interrupts = new Interrupts(kind, this.#transport, this.#system);
    this.#interrupts.set(kind, interrupts);
    return interrupts;
  }

  /**
   * The memory that the device may reach: its container's address space. What is mapped through it is unmapped when the
   * device is closed; the other devices of the container reach it until then.
   *
   * @throws ERR_CLOSED
   */
  get dma(): DmaSpace {
    this.#requireOpen();
    return this.#dma;
  }

  /** Resets the device (VFIO_DEVICE_RESET). @throws ERR_NOT_SUPPORTED where it cannot be. */
  reset(): void {
    this.#requireOpen();
    this.#transport.reset();
  }

  /**
   * Closes the device and all that came from it: mappings, interrupts, and what it had mapped for DMA. It goes on past
   * failures, and the device can no longer be used in any case. A second call does nothing, or tries what is left.
   *
   * @throws ERR_CLOSE with all that failed
   */
  close(): void {
    if (this.#finished) return;
    this.#closed = true;
    closeEach(`device ${this.name}`, [
      ...[...this.#interrupts.values()].map((interrupts) => () => interrupts.close()),
      ...[...this.#regions.values()].map((region) => () => region.close()),
      // The device before its memory: once it is closed it reaches for none.
      () => this.#transport.close(),
      () => this.#dma.close(),
    ]);
    this.#finished = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #requireOpen(): void {
    if (this.#closed) throw hugebarError("ERR_CLOSED", { what: `device ${this.name}` });
  }
}
