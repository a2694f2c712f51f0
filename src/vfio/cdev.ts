/**
 * Devices by character device and iommufd: `/dev/vfio/devices/vfioN` bound to `/dev/iommu` and attached to one I/O
 * address space (IOAS). Linux 6.6 and newer, where the kernel is built so.
 */

import { hugebarError } from "../errors.ts";
import type { DmaRange, Transport } from "../device/transport.ts";
import { O_CLOEXEC, O_RDWR } from "../system/constants.ts";
import { SystemCallError, type System } from "../system/system.ts";
import type { Container, DeviceOptions, VfioApi } from "./container.ts";
import {
  IOMMU_IOAS_ALLOC,
  IOMMU_IOAS_ALLOC_ARGUMENT,
  IOMMU_IOAS_MAP,
  IOMMU_IOAS_MAP_ARGUMENT,
  IOMMU_IOAS_MAP_FIXED_IOVA,
  IOMMU_IOAS_MAP_READABLE,
  IOMMU_IOAS_MAP_WRITEABLE,
  IOMMU_IOAS_UNMAP,
  IOMMU_IOAS_UNMAP_ARGUMENT,
} from "./iommufd-abi.ts";
import { closeAll, KernelDevice } from "./kernel-device.ts";
import { fileError, inUse, ioctlError, requireVfioDevice, type VfioDevice } from "./open-errors.ts";
import {
  VFIO_DEVICE_ATTACH_IOMMUFD_PT,
  VFIO_DEVICE_ATTACH_IOMMUFD_PT_ARGUMENT,
  VFIO_DEVICE_BIND_IOMMUFD,
  VFIO_DEVICE_BIND_IOMMUFD_ARGUMENT,
} from "./vfio-kernel-abi.ts";

const IOMMUFD_FILE = "/dev/iommu";

/** An iommufd with one I/O address space; see `Container`. */
export class IommufdContainer implements Container {
  readonly api: VfioApi = "cdev";
  readonly #sys: string;
  readonly #system: System;
  readonly #fd: number;
  readonly #ioas: number;
  readonly #devices = new Set<KernelDevice>();
  #closed = false;

  /**
   * @param bdf The device that messages name.
   * @param sys The folder that stands for `/sys`.
   * @throws ERR_NOT_SUPPORTED where the kernel has no iommufd, ERR_PERMISSION.
   */
  constructor(bdf: string, sys: string, system: System) {
    this.#sys = sys;
    this.#system = system;
    try {
      this.#fd = system.open(IOMMUFD_FILE, O_RDWR | O_CLOEXEC);
    } catch (error) {
      throw fileError(bdf, IOMMUFD_FILE, "the kernel has no iommufd; load iommufd", error);
    }
    try {
      this.#ioas = allocateIoas(this.#fd, system);
    } catch (error) {
      system.close(this.#fd);
      throw ioctlError(bdf, "IOMMU_IOAS_ALLOC", error);
    }
  }

  openDevice(bdf: string, options: DeviceOptions = {}): Transport {
    if (this.#closed) throw hugebarError("ERR_CLOSED", { what: "the container" });
    const device = requireVfioDevice(this.#sys, bdf);
    const opened: KernelDevice = new KernelDevice({
      device,
      fd: this.#openDeviceFile(device),
      system: this.#system,
      dma: this,
      enableMemory: options.enableMemory ?? false,
      onClose: () => {
        this.#devices.delete(opened);
        options.onClose?.();
      },
    });
    this.#devices.add(opened);
    return opened;
  }

  dmaMap({ address, iova, size, readable, writable }: DmaRange): void {
    const flags =
      IOMMU_IOAS_MAP_FIXED_IOVA |
      (readable ? IOMMU_IOAS_MAP_READABLE : 0) |
      (writable ? IOMMU_IOAS_MAP_WRITEABLE : 0);
    const request = IOMMU_IOAS_MAP_ARGUMENT.encode({
      size: IOMMU_IOAS_MAP_ARGUMENT.size,
      flags,
      ioas_id: this.#ioas,
      user_va: address,
      length: BigInt(size),
      iova,
    });
    this.#system.ioctl(this.#fd, IOMMU_IOAS_MAP, request);
  }

  dmaUnmap(iova: bigint, size: number): void {
    const request = IOMMU_IOAS_UNMAP_ARGUMENT.encode({
      size: IOMMU_IOAS_UNMAP_ARGUMENT.size,
      ioas_id: this.#ioas,
      iova,
      length: BigInt(size),
    });
    this.#system.ioctl(this.#fd, IOMMU_IOAS_UNMAP, request);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeAll([...this.#devices]);
    this.#system.close(this.#fd);
  }

  #openDeviceFile(device: VfioDevice): number {
    const { bdf, cdev } = device;
    if (cdev === null) {
      throw hugebarError("ERR_NOT_SUPPORTED", {
        action: `open ${bdf}`,
        problem:
          "the kernel makes no character devices for VFIO (CONFIG_VFIO_DEVICE_CDEV); take the group instead",
      });
    }
    const path = `/dev/vfio/devices/${cdev}`;
    let fd: number;
    try {
      fd = this.#system.open(path, O_RDWR | O_CLOEXEC);
    } catch (error) {
      throw fileError(bdf, path, "the device has just been taken away, or devtmpfs is not mounted", error);
    }
    try {
      this.#bind(device, fd);
      this.#attach(bdf, fd);
      return fd;
    } catch (error) {
      this.#system.close(fd);
      throw error;
    }
  }

  #bind(device: VfioDevice, fd: number): void {
    const { size: argsz } = VFIO_DEVICE_BIND_IOMMUFD_ARGUMENT;
    const request = VFIO_DEVICE_BIND_IOMMUFD_ARGUMENT.encode({ argsz, iommufd: this.#fd });
    try {
      this.#system.ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, request);
    } catch (error) {
      // EINVAL: another cdev file holds the device (vfio_df_open). EBUSY: its group's file is open, or another driver
      // has a device of the group.
      if (error instanceof SystemCallError && (error.code === "EBUSY" || error.code === "EINVAL")) {
        throw inUse(device, this.#sys, error);
      }
      throw ioctlError(device.bdf, "VFIO_DEVICE_BIND_IOMMUFD", error);
    }
  }

  #attach(bdf: string, fd: number): void {
    const { size: argsz } = VFIO_DEVICE_ATTACH_IOMMUFD_PT_ARGUMENT;
    const request = VFIO_DEVICE_ATTACH_IOMMUFD_PT_ARGUMENT.encode({ argsz, pt_id: this.#ioas });
    try {
      this.#system.ioctl(fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, request);
    } catch (error) {
      throw ioctlError(bdf, "VFIO_DEVICE_ATTACH_IOMMUFD_PT", error);
    }
  }
}

function allocateIoas(fd: number, system: System): number {
  const request = IOMMU_IOAS_ALLOC_ARGUMENT.encode({ size: IOMMU_IOAS_ALLOC_ARGUMENT.size });
  system.ioctl(fd, IOMMU_IOAS_ALLOC, request);
  return IOMMU_IOAS_ALLOC_ARGUMENT.decode(request).out_ioas_id;
}
