import { Device } from "./device/device.ts";
import { linux } from "./system/libc.ts";
import type { System } from "./system/system.ts";
import type { VfioApi } from "./vfio/container.ts";
import { parseBdf } from "./vfio/bdf.ts";
import { openContainer as openVfioContainer } from "./vfio/open-device.ts";

/** How to open a container. */
export interface ContainerOptions {
  /** The kernel's interface to take; cdev where the kernel has it, else group. */
  readonly api?: VfioApi;
}

/** Devices of this machine that share one DMA address space, and where need be one IOMMU group. */
export interface Container {
  readonly api: VfioApi;
  /**
   * Opens a device in the container, by its PCI address.
   *
   * @throws as `openDevice`
   */
  openDevice(name: string, options?: { readonly enableMemory?: boolean }): Device;
  /** Closes its devices with their mappings, then itself. A second call does nothing. */
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
  const container = openVfioContainer(name, options);
  const devices = new Set<Device>();
  let closed = false;
  const close = (): void => {
    if (closed) return;
    closed = true;
    for (const device of devices) device.close();
    container.close();
  };
  return {
    api: container.api,
    openDevice(bdf, deviceOptions = {}) {
      const transport = container.openDevice(parseBdf(bdf), deviceOptions);
      const device = new Device(transport, options.system ?? linux);
      devices.add(device);
      return device;
    },
    close,
    [Symbol.dispose]: close,
  };
}
