import type { IoAddressSpace, Transport } from "../device/transport/transport.ts";

/** How the kernel is asked for a device: by container and group, or by cdev and iommufd. */
export type VfioApi = "group" | "cdev";

/** What `openDevice` of a container takes. */
export interface DeviceOptions {
  /** Switches memory decoding on before a mapping when it is off; without it such a mapping is refused. */
  readonly enableMemory?: boolean;
  /** The secret that an SR-IOV function and its VFs share, a UUID: whoever opens the second of them must show it. */
  readonly vfToken?: string;
  /** @internal Called when the device has been closed. */
  readonly onClose?: () => void;
}

/**
 * Devices that share one DMA address space: a VFIO container, or an I/O address space of an iommufd. What is mapped for
 * one of them, all of them reach.
 */
export interface KernelContainer {
  readonly api: VfioApi;
  readonly dma: IoAddressSpace;
  /** Opens the device at `bdf`, an address in full. */
  openDevice(bdf: string, options?: DeviceOptions): Transport;
  /** Closes its devices, then itself; goes on past failures. A second call does nothing, or tries what is left. */
  close(): void;
}
