import { requireOptions } from "./arguments.ts";
import type { Device } from "./device/device.ts";
import { DmaSpace } from "./device/dma/dma-space.ts";
import { deviceOver, type OpenOptions } from "./open.ts";
import { closeEach } from "./system/closing.ts";
import { linux } from "./system/libc.ts";
import type { System } from "./system/system.ts";
import type { VfioApi } from "./vfio/container.ts";
import { parseBdf } from "./vfio/sysfs/bdf.ts";
import { openContainer as openVfioContainer } from "./vfio/open-device.ts";

/** How to open a container. */
export interface ContainerOptions {
  /** The kernel's interface to take; cdev where the kernel has it, else group. */
  readonly api?: VfioApi;
}

/** How to open a device in a container: as with `openDevice`. */
export type ContainerDeviceOptions = Pick<OpenOptions, "enableMemory" | "vfToken">;

/** Devices of this machine that share one DMA address space, and where need be one IOMMU group. */
export interface Container {
  readonly api: VfioApi;
  /** The memory that its devices may reach; what is mapped through it stays until it is closed, or the container. */
  readonly dma: DmaSpace;
  /**
   * Opens a device in the container, by its PCI address.
   *
   * @throws as `openDevice`
   */
  openDevice(name: string, options?: ContainerDeviceOptions): Device;
  /**
   * Closes its devices with their mappings, then itself; goes on past failures. A second call does nothing, or tries what
   * is left.
   *
   * @throws ERR_CLOSE with all that failed
   */
  close(): void;
  [Symbol.dispose](): void;
}

/**
 * Opens a container for several devices. The devices of one IOMMU group, such as the functions of one card, can be open
 * at the same time only in one container.
 *
 * @param name The PCI address of a device that will be in it; it decides the interface where `api` does not.
 * @throws ERR_NO_DEVICE, ERR_PERMISSION, ERR_BUSY, ERR_NOT_SUPPORTED, ERR_ARGUMENT
 * @example
 * const container = openContainer("0000:01:00.0");
 * const gpu = container.openDevice("0000:01:00.0");
 * const sound = container.openDevice("0000:01:00.1");
 * container.close();
 */
export function openContainer(name: string, options: ContainerOptions = {}): Container {
  return containerOf(name, options);
}

/** @internal With the folder that stands for `/sys`, and the system, for tests. */
export function containerOf(
  name: string,
  options: ContainerOptions & { readonly sys?: string; readonly system?: System },
): Container {
  requireOptions("of a container", options);
  const container = openVfioContainer(name, options);
  const { system = linux } = options;
  const dma = new DmaSpace(container.dma);
  const devices = new Set<Device>();
  let finished = false;
  const close = (): void => {
    if (finished) return;
    closeEach(`the container of ${name}`, [
      ...[...devices].map((device) => () => device.close()),
      () => container.close(),
      () => dma.close(),
    ]);
    finished = true;
  };
  const openDevice = (bdf: string, deviceOptions: ContainerDeviceOptions = {}): Device => {
    requireOptions("of a device", deviceOptions);
    const transport = container.openDevice(parseBdf(bdf), deviceOptions);
    const device = deviceOver(transport, system, dma.another(), openDevice);
    devices.add(device);
    return device;
  };
  return {
    api: container.api,
    dma,
    openDevice,
    close,
    [Symbol.dispose]: close,
  };
}
