/**
 * The whole of what a transport must do. The kernel by container and group, the kernel by cdev and iommufd, and a
 * vfio-user socket implement it; only `open.ts` knows which is which.
 *
 * All calls are synchronous. Failures are `HugebarError`s; where a system call failed, the cause is a `SystemCallError`.
 */

import type { Area } from "../../layout/areas.ts";
import type { IovaRange } from "./iova-table.ts";

/** What VFIO_DEVICE_GET_INFO tells. */
export interface DeviceInfo {
  /** VFIO_DEVICE_FLAGS_… */
  readonly flags: number;
  readonly regionCount: number;
  readonly irqCount: number;
}

/** What VFIO_DEVICE_GET_REGION_INFO tells, its capability chain walked. */
export interface RegionInfo {
  readonly index: number;
  readonly size: number;
  /** VFIO_REGION_INFO_FLAG_… */
  readonly flags: number;
  /** Where the region starts in the file to map and to read from. */
  readonly fdOffset: number;
  /**
   * The mappable parts, as the device listed them and not yet checked: from the sparse-mmap capability, or the whole
   * region without it, or none where the region cannot be mapped.
   */
  readonly areas: readonly Area[];
  /** The descriptor to map from, owned by the transport and open until it closes; null where nothing can be mapped. */
  readonly fd: number | null;
  /** The physical address of the region's first byte, where the transport can know it. */
  readonly physical: bigint | null;
  /** The kernel's driver that maps it, as sysfs names it; null where none does, or none is known. */
  readonly driver: string | null;
  /** What lies behind a mapping: a device's memory, or a file of shared memory that stands for it. */
  readonly backing: "device" | "shared-memory";
}

/** A place in a region where writes only kick the device, and an eventfd that does it as well. */
export interface IoEventFdInfo {
  /** Where in the region. */
  readonly offset: number;
  /** How many bytes are written: 1, 2, 4 or 8; 0 for any number. */
  readonly size: number;
  /** Only writes of this value kick; null: all do. */
  readonly datamatch: bigint | null;
  /** Owned by the transport, and open until that closes. */
  readonly fd: number;
}

/** What VFIO_DEVICE_GET_IRQ_INFO tells. */
export interface IrqInfo {
  readonly index: number;
  /** VFIO_IRQ_INFO_… */
  readonly flags: number;
  readonly count: number;
}

/** One VFIO_DEVICE_SET_IRQS request. */
export interface IrqRequest {
  readonly index: number;
  /** VFIO_IRQ_SET_DATA_… | VFIO_IRQ_SET_ACTION_… */
  readonly flags: number;
  readonly start: number;
  readonly count: number;
  /** For DATA_EVENTFD: one descriptor each, −1 to take one away. For DATA_BOOL: the bytes. */
  readonly eventfds?: readonly number[];
  readonly data?: Uint8Array;
}

/** One piece of this process's memory that the device may reach by DMA. */
export interface DmaRange {
  /** Address of the memory in this process. */
  readonly address: bigint;
  /** Where the device sees it. */
  readonly iova: bigint;
  readonly size: number;
  readonly readable: boolean;
  readonly writable: boolean;
  /** The file behind the memory and the offset in it: a socket transport passes it to the device. */
  readonly file?: { readonly fd: number; readonly offset: number };
}

/** What a DMA address space offers. */
export interface DmaLimits {
  /** Where memory may be mapped, in order. */
  readonly usable: readonly IovaRange[];
  /** Addresses and sizes of mappings are multiples of it. */
  readonly alignment: number;
  /** The sizes of the IOMMU's pages, the smallest first; null where they are not told. */
  readonly pageSizes: readonly number[] | null;
  /** How many mappings more there may be; null where that is not limited, or not told. */
  readonly entriesLeft: number | null;
}

/** What devices write, logged until `stop`. */
export interface DirtyLog {
  /** What one bit stands for, in bytes. */
  readonly pageSize: number;
  /** A bit for each page from `iova` on, of mappings taken whole: set where it was written, or may have been, since. */
  read(iova: bigint, size: number): Uint8Array;
  stop(): void;
}

/** Where the memory that devices may reach is entered: one for all devices of a container. */
export interface IoAddressSpace {
  /** How messages call it: by the device that it was opened for. */
  readonly name: string;
  /** It is gone, and with it all that was mapped. */
  readonly closed: boolean;
  map(range: DmaRange): void;
  unmap(iova: bigint, size: number): void;
  limits(): DmaLimits;
  /** Throws ERR_NOT_SUPPORTED where nobody keeps such a log. */
  logDirty(): DirtyLog;
}

/**
 * Throws where touching these bytes of a mapped region would be fatal now: `access` is what is tried (`copy`), `offset`
 * counts from the region's start.
 */
export type FileCheck = (access: string, offset: number, length: number) => void;

/** A device that a hot reset resets along with the one that is asked. */
export interface HotResetDevice {
  /** Its PCI address in full. */
  readonly name: string;
  /** It is held by this process, or by nobody who minds: only where all are does a hot reset happen. */
  readonly owned: boolean;
}

/** What the kernel does with a PCI device besides what every transport can. */
export interface KernelControls {
  hotResetDevices(): readonly HotResetDevice[];
  hotReset(): void;
  enterLowPower(): void;
  exitLowPower(): void;
}

/** How a device's own state is read and written (VFIO's migration, version 2). */
export interface StateTransfer {
  /** VFIO_MIGRATION_…; 0 for a device whose state cannot be moved. */
  flags(): number;
  /** VFIO_DEVICE_STATE_… */
  state(): number;
  setState(state: number): void;
  /** Fills `target` as far as there is something to read; returns how many bytes that were. */
  read(target: Uint8Array): number;
  write(source: Uint8Array): void;
}

export interface Transport {
  /** The device's full name: `0000:01:00.0` or `vfio-user:/run/gpu.sock`. */
  readonly name: string;
  /** Where the memory that it may reach is entered; the other devices of its container share it. */
  readonly dma: IoAddressSpace;
  /** Null where no kernel stands behind the device. */
  readonly controls: KernelControls | null;
  /** Null where the transport has no such thing. */
  readonly migration: StateTransfer | null;
  info(): DeviceInfo;
  regionInfo(index: number): RegionInfo;
  /** Reads `target.length` bytes at `offset` of the region, through the device's file or socket. */
  read(index: number, offset: number, target: Uint8Array): void;
  write(index: number, offset: number, source: Uint8Array): void;
  /** The region's ioeventfds; none where the transport has no such thing. */
  ioeventfds(index: number): readonly IoEventFdInfo[];
  reset(): void;
  /**
   * Called before the region is mapped: throws where touching the mapping would be fatal, as with a PCI device whose
   * memory decoding is switched off. Returns what looks again, where it can become so while the mapping stands; else
   * null.
   */
  prepareToMap(index: number): FileCheck | null;
  irqInfo(index: number): IrqInfo;
  setIrqs(request: IrqRequest): void;
  /**
   * Exports an area as a dma-buf (VFIO_DEVICE_FEATURE_DMA_BUF) and returns its descriptor, which the caller owns.
   * Throws ERR_NOT_SUPPORTED where the transport or the kernel has no such thing.
   */
  exportDmaBuf(index: number, area: Area): number;
  /** Gives up the device. A second call does nothing. */
  close(): void;
  /** The same for a transport that was collected: refers to what is to be closed, and to nothing that uses it. */
  readonly abandon: () => void;
}
