import type { DmaRange, Transport } from "../device/transport.ts";

/** How the kernel is asked for a device: by container and group, or by cdev and iommufd. */
export type VfioApi = "group" | "cdev";

/** What `openDevice` of a container takes. */
export interface DeviceOptions {
  /** Switches memory decoding on before a mapping when it is off; without it such a mapping is refused. */
  readonly enableMemory?: boolean;
  /** @internal Called when the device has been closed. */
  readonly onClose?: () => void;
}

/** Where the memory that devices may reach is entered. */
export interface DmaSpace {
  dmaMap(range: DmaRange): void;
  dmaUnmap(iova: bigint, size: number): void;
}

/**
 * Devices that share one DMA address space: a VFIO container, or an I/O address space of an iommufd. What is mapped for
 * one of them, all of them reach.
 */
export interface Container {
  readonly api: VfioApi;
  /** Opens the device at `bdf`, an address in full. */
  openDevice(bdf: string, options?: DeviceOptions): Transport;
  /** Closes its devices, then itself. A second call does nothing. */
  close(): void;
}
