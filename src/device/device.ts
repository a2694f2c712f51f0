import { describeValue } from "../arguments.ts";
import { hugebarError } from "../errors.ts";
import type { Area } from "../layout/areas.ts";
import { closeEach } from "../system/closing.ts";
import type { System } from "../system/system.ts";
import { publish } from "./region/diagnostics.ts";
import { DmaSpace } from "./dma/dma-space.ts";
import { closedProperly, watchForgotten, type Holdings, type Opener } from "./forgotten.ts";
import { Interrupts, type InterruptKind } from "./interrupts/interrupts.ts";
import type { Mapping } from "./region/mapping.ts";
import { MemoryGuard } from "./file/memory-guard.ts";
import { Migration } from "./migration/migration.ts";
import { PciConfig } from "./file/pci-config.ts";
import { Region } from "./region/region.ts";
import type {
  DeviceInfo,
  HotResetDevice,
  IoAddressSpace,
  KernelControls,
  Transport,
} from "./transport/transport.ts";
import { VFIO_DEVICE_FLAGS_PCI, VFIO_PCI_CONFIG_REGION_INDEX } from "./transport/vfio-abi.ts";

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
  readonly #holdings: Holdings;
  /** Null for a device that is not PCI. */
  readonly #guard: MemoryGuard | null;
  #config: PciConfig | null = null;
  #migration: Migration | null = null;
  #closed = false;
  #finished = false;

  /**
   * @internal
   *
   * @param dma what the device maps; another's of the same address space where it shares one
   * @param opener the function whose caller opened the device
   */
  constructor(
    transport: Transport,
    system: System,
    dma: DmaSpace = new DmaSpace(transport.dma),
    opener: Opener = Device,
  ) {
    this.name = transport.name;
    this.info = transport.info();
    this.#transport = transport;
    this.#holdings = watchForgotten(transport, dma.held, system, opener);
    this.#dma = dma;
    this.#system = system;
    const isPci = (this.info.flags & VFIO_DEVICE_FLAGS_PCI) !== 0;
    const mappings = (): readonly Mapping[] =>
      [...this.#regions.values()].flatMap(({ deviceMappings }) => deviceMappings);
    const readConfig = (offset: number, target: Uint8Array): void =>
      transport.read(VFIO_PCI_CONFIG_REGION_INDEX, offset, target);
    this.#guard = isPci ? new MemoryGuard(this.name, mappings, readConfig) : null;
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
        index: describeValue(index),
        device: this.name,
        problem: regionCount === 0 ? "it has no regions" : `it has regions 0 to ${regionCount - 1}`,
      });
    }
    const region = new Region(
      this.#transport,
      this.#system,
      this.#transport.regionInfo(index),
      this.#guard,
      this.#holdings,
    );
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
   * PCI configuration space, read anew each time: identity, command register, capabilities. Its bytes are region 7.
   *
   * @throws ERR_NOT_SUPPORTED for a device that is not PCI; ERR_CLOSED.
   */
  get config(): PciConfig {
    this.#requireOpen();
    if ((this.info.flags & VFIO_DEVICE_FLAGS_PCI) === 0) {
      throw hugebarError("ERR_NOT_SUPPORTED", {
        action: `read the configuration space of ${this.name}`,
        problem: "it is no PCI device",
      });
    }
    const region = this.region(VFIO_PCI_CONFIG_REGION_INDEX);
    this.#config ??= new PciConfig(this.name, region.size, region.file);
    return this.#config;
  }

  /**
   * Lets the device reach memory and raise MSI (PCI_COMMAND_MASTER): devices are opened without.
   *
   * @throws ERR_NOT_SUPPORTED for a device that is not PCI or does not take it; ERR_CLOSED.
   */
  enableBusMaster(): void {
    this.config.setBusMaster(true);
  }

  /** Keeps the device from memory, whatever it was told. @throws as `enableBusMaster` */
  disableBusMaster(): void {
    this.config.setBusMaster(false);
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

  /** @internal The address space itself, for memory that is no SharedMemory. */
  get addressSpace(): IoAddressSpace {
    this.#requireOpen();
    return this.#transport.dma;
  }

  /**
   * The device's own state, to be moved to another device of the same kind; `moveState` does it from end to end.
   *
   * @throws ERR_NOT_SUPPORTED where its state cannot be moved; ERR_CLOSED; what the transport throws
   */
  get migration(): Migration {
    this.#requireOpen();
    this.#migration ??= new Migration(this.name, this.#transport.migration);
    return this.#migration;
  }

  /** @internal As `Region.exportDmaBuf`, of any part of an area. */
  exportDmaBuf(region: number, part: Area): number {
    this.#requireOpen();
    return this.#transport.exportDmaBuf(region, part);
  }

  /** Resets the device (VFIO_DEVICE_RESET). @throws ERR_NOT_SUPPORTED where it cannot be. */
  reset(): void {
    this.#requireOpen();
    this.#transport.reset();
    this.#lookAfterReset();
  }

  /**
   * What a hot reset takes along: the devices on its slot or bus, itself among them.
   *
   * @throws ERR_NOT_SUPPORTED where neither can be reset, as on a root bus, or no kernel stands behind the device.
   */
  hotResetDevices(): readonly HotResetDevice[] {
    return this.#controls("ask what a hot reset takes along").hotResetDevices();
  }

  /**
   * Resets the slot or the bus that the device is on, and with it the devices of `hotResetDevices`.
   *
   * @throws ERR_BUSY, naming them, where some of these are not open in this device's container; as `hotResetDevices`.
   */
  hotReset(): void {
    this.#controls("hot-reset").hotReset();
    this.#lookAfterReset();
  }

  /**
   * Lets the kernel put the device into low power while nobody uses it (VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, Linux 6.1).
   * Mappings fall back to the device's file until `exitLowPower`; every access by it wakes the device for itself.
   *
   * @throws ERR_NOT_SUPPORTED where the kernel or the device has no such thing.
   */
  enterLowPower(): void {
    const controls = this.#controls("let it into low power");
    // The kernel takes the mappings away: touching one would be a fatal signal.
    this.#guard?.setAwake(false);
    try {
      controls.enterLowPower();
    } catch (error) {
      this.#guard?.setAwake(true);
      throw error;
    }
  }

  /** Ends what `enterLowPower` began; mappings are memory again. @throws as `enterLowPower` */
  exitLowPower(): void {
    this.#controls("take it out of low power").exitLowPower();
    this.#guard?.setAwake(true);
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
    closedProperly(this.#transport, this.#holdings);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** A reset wakes a device that was in D3hot (vfio_pci_ioctl_reset): its mappings may be memory again. */
  #lookAfterReset(): void {
    if (this.#guard?.reachable === false) this.#guard.look();
  }

  #controls(what: string): KernelControls {
    this.#requireOpen();
    const { controls } = this.#transport;
    if (controls !== null) return controls;
    const problem = "no kernel stands behind the device";
    throw hugebarError("ERR_NOT_SUPPORTED", { action: `${what} (${this.name})`, problem });
  }

  #requireOpen(): void {
    if (this.#closed) throw hugebarError("ERR_CLOSED", { what: `device ${this.name}` });
  }
}
