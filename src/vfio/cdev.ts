/**
 * Devices by character device and iommufd: `/dev/vfio/devices/vfioN` bound to `/dev/iommu` and attached to one I/O
 * address space (IOAS). Linux 6.6 and newer, where the kernel is built so.
 */

import { hugebarError } from "../errors.ts";
import type { Transport } from "../device/transport/transport.ts";
import { closeEach } from "../system/closing.ts";
import { O_CLOEXEC, O_RDWR } from "../system/constants.ts";
import { Descriptors } from "../system/descriptors.ts";
import { SystemCallError, type System } from "../system/system.ts";
import type { DeviceOptions, KernelContainer, VfioApi } from "./container.ts";
import { IoasSpace } from "./spaces/ioas-space.ts";
import { IOMMU_IOAS_ALLOC, IOMMU_IOAS_ALLOC_ARGUMENT } from "./ioctls/iommufd-abi.ts";
import { KernelDevice } from "./function/kernel-device.ts";
import { fileError, inUse, ioctlError, requireVfioDevice, type VfioDevice } from "./open-errors.ts";
import { isTokenRefusal, requireVfToken, tokenRefused, vfTokenBytes } from "./vf-token.ts";
import {
  VFIO_DEVICE_ATTACH_IOMMUFD_PT,
  VFIO_DEVICE_ATTACH_IOMMUFD_PT_ARGUMENT,
  VFIO_DEVICE_BIND_IOMMUFD,
  VFIO_DEVICE_BIND_FLAG_TOKEN,
  VFIO_DEVICE_BIND_IOMMUFD_ARGUMENT,
  VFIO_DEVICE_BIND_IOMMUFD_WITH_TOKEN,
} from "./ioctls/vfio-kernel-abi.ts";

const IOMMUFD_FILE = "/dev/iommu";

interface BoundDevice {
  readonly bdf: string;
  readonly fd: number;
  /** In the iommufd. */
  readonly id: number;
}

/** An iommufd with one I/O address space; see `KernelContainer`. */
export class IommufdContainer implements KernelContainer {
  readonly api: VfioApi = "cdev";
  readonly dma: IoasSpace;
  readonly #sys: string;
  readonly #system: System;
  readonly #descriptors: Descriptors;
  readonly #fd: number;
  /** With the ids that they have in the iommufd, and their files. */
  readonly #devices = new Map<KernelDevice, BoundDevice>();
  /** What devices are attached to: the IOAS, or page tables made of it. */
  #pageTable: number;
  #closed = false;

  /**
   * @param bdf The device that messages name.
   * @param sys The folder that stands for `/sys`.
   * @throws ERR_NOT_SUPPORTED where the kernel has no iommufd, ERR_PERMISSION.
   */
  constructor(bdf: string, sys: string, system: System) {
    this.#sys = sys;
    this.#system = system;
    this.#descriptors = new Descriptors(system);
    try {
      this.#fd = this.#descriptors.add(system.open(IOMMUFD_FILE, O_RDWR | O_CLOEXEC));
    } catch (error) {
      throw fileError(bdf, IOMMUFD_FILE, "the kernel has no iommufd; load iommufd", error);
    }
    try {
      const ioas = allocateIoas(this.#fd, system);
      this.#pageTable = ioas;
      const attachments = {
        anyDevice: () => [...this.#devices.values()].at(0)?.id ?? null,
        attachAll: (pageTable: number) => this.#attachAll(pageTable),
      };
      this.dma = new IoasSpace(bdf, this.#fd, ioas, attachments, system);
    } catch (error) {
      this.#descriptors.close(this.#fd);
      throw ioctlError(bdf, "IOMMU_IOAS_ALLOC", error);
    }
  }

  openDevice(bdf: string, options: DeviceOptions = {}): Transport {
    if (this.#closed) throw hugebarError("ERR_CLOSED", { what: "the container" });
    const device = requireVfioDevice(this.#sys, bdf);
    const bound = this.#openDeviceFile(device, options.vfToken);
    const opened: KernelDevice = new KernelDevice({
      device,
      fd: bound.fd,
      descriptors: this.#descriptors,
      system: this.#system,
      dma: this.dma,
      enableMemory: options.enableMemory ?? false,
      groupFiles: () => null,
      onClose: () => {
        this.#devices.delete(opened);
        options.onClose?.();
      },
    });
    this.#devices.set(opened, bound);
    return opened;
  }

  close(): void {
    this.#closed = true;
    this.dma.closed = true;
    closeEach(`the container of ${this.dma.name}`, [
      ...[...this.#devices.keys()].map((device) => () => device.close()),
      () => this.#descriptors.close(this.#fd),
    ]);
  }

  #openDeviceFile(device: VfioDevice, vfToken?: string): BoundDevice {
    const { bdf, cdev } = device;
    if (cdev === null) {
      throw hugebarError("ERR_NOT_SUPPORTED", {
        action: `open ${bdf}`,
        problem:
          "the kernel makes no character devices for VFIO (CONFIG_VFIO_DEVICE_CDEV); take the group instead",
      });
    }
    const fd = this.#descriptors.add(openCdevFile(bdf, cdev, this.#system));
    try {
      const id = this.#bind(device, fd, vfToken);
      this.#attach(bdf, fd, this.#pageTable);
      return { bdf, fd, id };
    } catch (error) {
      this.#descriptors.close(fd);
      throw error;
    }
  }

  /** @returns the device's id in the iommufd */
  #bind(device: VfioDevice, fd: number, vfToken?: string): number {
    const token = vfToken === undefined ? null : vfTokenBytes(requireVfToken(vfToken));
    const { size: argsz } =
      token === null ? VFIO_DEVICE_BIND_IOMMUFD_ARGUMENT : VFIO_DEVICE_BIND_IOMMUFD_WITH_TOKEN;
    const request =
      token === null
        ? VFIO_DEVICE_BIND_IOMMUFD_ARGUMENT.encode({ argsz, iommufd: this.#fd })
        : VFIO_DEVICE_BIND_IOMMUFD_WITH_TOKEN.encode({
            argsz,
            flags: VFIO_DEVICE_BIND_FLAG_TOKEN,
            iommufd: this.#fd,
            token_uuid_ptr: this.#system.addressOf(token),
          });
    try {
      this.#system.ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, request);
      return VFIO_DEVICE_BIND_IOMMUFD_ARGUMENT.decode(request).out_devid;
    } catch (error) {
      if (error instanceof SystemCallError && isTokenRefusal(error, vfToken)) {
        throw tokenRefused(device.bdf, vfToken, error);
      }
      // EINVAL: another cdev file holds the device (vfio_df_open). EBUSY: its group's file is open, or another driver
      // has a device of the group.
      if (error instanceof SystemCallError && (error.code === "EBUSY" || error.code === "EINVAL")) {
        throw inUse(device, this.#sys, error);
      }
      throw ioctlError(device.bdf, "VFIO_DEVICE_BIND_IOMMUFD", error);
    }
  }

  #attachAll(pageTable: number): void {
    for (const { bdf, fd } of this.#devices.values()) this.#attach(bdf, fd, pageTable);
    this.#pageTable = pageTable;
  }

  #attach(bdf: string, fd: number, pageTable: number): void {
    const { size: argsz } = VFIO_DEVICE_ATTACH_IOMMUFD_PT_ARGUMENT;
    const request = VFIO_DEVICE_ATTACH_IOMMUFD_PT_ARGUMENT.encode({ argsz, pt_id: pageTable });
    try {
      this.#system.ioctl(fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, request);
    } catch (error) {
      throw ioctlError(bdf, "VFIO_DEVICE_ATTACH_IOMMUFD_PT", error);
    }
  }
}

/** The cdev's file, which takes nobody's device before it is bound. */
export function openCdevFile(bdf: string, cdev: string, system: System): number {
  const path = `/dev/vfio/devices/${cdev}`;
  try {
    return system.open(path, O_RDWR | O_CLOEXEC);
  } catch (error) {
    throw fileError(bdf, path, "the device has just been taken away, or devtmpfs is not mounted", error);
  }
}

function allocateIoas(fd: number, system: System): number {
  const request = IOMMU_IOAS_ALLOC_ARGUMENT.encode({ size: IOMMU_IOAS_ALLOC_ARGUMENT.size });
  system.ioctl(fd, IOMMU_IOAS_ALLOC, request);
  return IOMMU_IOAS_ALLOC_ARGUMENT.decode(request).out_ioas_id;
}
