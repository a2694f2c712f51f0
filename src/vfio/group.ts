/**
 * Devices by container and group: `/dev/vfio/vfio` and `/dev/vfio/GROUP`, with the type1 (v2) IOMMU. A group's file
 * opens once at a time, so that the devices of one group share it, and with it the container.
 */

import { hugebarError } from "../errors.ts";
import type { Transport } from "../device/transport/transport.ts";
import { closeEach } from "../system/closing.ts";
import { O_CLOEXEC, O_RDWR } from "../system/constants.ts";
import { Descriptors } from "../system/descriptors.ts";
import { SystemCallError, type System } from "../system/system.ts";
import type { DeviceOptions, KernelContainer, VfioApi } from "./container.ts";
import { KernelDevice } from "./function/kernel-device.ts";
import {
  fileError,
  inUse,
  ioctlError,
  notViable,
  requireVfioDevice,
  type VfioDevice,
} from "./open-errors.ts";
import { Type1Space } from "./spaces/type1-space.ts";
import { isTokenRefusal, requireVfToken, tokenRefused } from "./vf-token.ts";
import {
  VFIO_API_VERSION,
  VFIO_CHECK_EXTENSION,
  VFIO_GET_API_VERSION,
  VFIO_GROUP_FLAGS_VIABLE,
  VFIO_GROUP_GET_DEVICE_FD,
  VFIO_GROUP_GET_STATUS,
  VFIO_GROUP_SET_CONTAINER,
  VFIO_GROUP_STATUS,
  VFIO_SET_IOMMU,
  VFIO_TYPE1v2_IOMMU,
} from "./ioctls/vfio-kernel-abi.ts";

const CONTAINER_FILE = "/dev/vfio/vfio";

interface OpenGroup {
  readonly fd: number;
  readonly devices: Set<KernelDevice>;
}

/** A container with the groups that its devices need; see `KernelContainer`. */
export class GroupContainer implements KernelContainer {
  readonly api: VfioApi = "group";
  readonly dma: Type1Space;
  readonly #sys: string;
  readonly #system: System;
  readonly #descriptors: Descriptors;
  readonly #fd: number;
  readonly #groups = new Map<number, OpenGroup>();
  /** The group that stays open as long as the container: without any the kernel forgets the IOMMU and all mappings. */
  readonly #anchor: number;
  #closed = false;

  /**
   * @param bdf A device that will be in it, whose group is opened; messages name it.
   * @param sys The folder that stands for `/sys`.
   * @throws ERR_NOT_SUPPORTED where the kernel has no VFIO containers, ERR_PERMISSION, ERR_BUSY, ERR_NO_DEVICE.
   */
  constructor(bdf: string, sys: string, system: System) {
    this.#sys = sys;
    this.#system = system;
    this.#descriptors = new Descriptors(system);
    this.#fd = this.#descriptors.add(openContainerFile(bdf, system));
    this.dma = new Type1Space(bdf, this.#fd, system);
    try {
      const device = requireVfioDevice(sys, bdf);
      this.#anchor = device.iommuGroup;
      this.#openGroup(device);
    } catch (error) {
      this.#descriptors.close(this.#fd);
      throw error;
    }
  }

  openDevice(bdf: string, options: DeviceOptions = {}): Transport {
    if (this.#closed) throw hugebarError("ERR_CLOSED", { what: "the container" });
    const device = requireVfioDevice(this.#sys, bdf);
    const { iommuGroup } = device;
    const group = this.#groups.get(iommuGroup) ?? this.#openGroup(device);
    try {
      const opened: KernelDevice = new KernelDevice({
        device,
        fd: this.#descriptors.add(this.#openDeviceFile(device, group, options.vfToken)),
        descriptors: this.#descriptors,
        system: this.#system,
        dma: this.dma,
        enableMemory: options.enableMemory ?? false,
        groupFiles: (number) => this.#groups.get(number)?.fd ?? null,
        onClose: () => {
          closeEach(`device ${bdf}`, [() => this.#leave(iommuGroup, opened), () => options.onClose?.()]);
        },
      });
      group.devices.add(opened);
      return opened;
    } catch (error) {
      this.#closeUnused(iommuGroup);
      throw error;
    }
  }

  close(): void {
    this.#closed = true;
    this.dma.closed = true;
    const groups = [...this.#groups.values()];
    closeEach(`the container of ${this.dma.name}`, [
      ...groups.flatMap(({ devices }) => [...devices]).map((device) => () => device.close()),
      ...groups.map(
        ({ fd }) =>
          () =>
            this.#descriptors.close(fd),
      ),
      () => this.#descriptors.close(this.#fd),
    ]);
  }

  /** Opens the group's file, sees that it is viable, and puts it into the container. */
  #openGroup(device: VfioDevice): OpenGroup {
    const { bdf, iommuGroup } = device;
    const fd = this.#descriptors.add(openGroupFile(device, this.#sys, this.#system));
    try {
      const status = VFIO_GROUP_STATUS.encode({ argsz: VFIO_GROUP_STATUS.size });
      this.#ask(bdf, "VFIO_GROUP_GET_STATUS", fd, VFIO_GROUP_GET_STATUS, status);
      if ((VFIO_GROUP_STATUS.decode(status).flags & VFIO_GROUP_FLAGS_VIABLE) === 0) {
        throw notViable(device, this.#sys);
      }
      const container = new Uint8Array(Int32Array.of(this.#fd).buffer);
      this.#ask(bdf, "VFIO_GROUP_SET_CONTAINER", fd, VFIO_GROUP_SET_CONTAINER, container);
      // The first group in decides the IOMMU; the kernel forgets it when the last group leaves.
      if (this.#groups.size === 0) {
        this.#ask(bdf, "VFIO_SET_IOMMU", this.#fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
      }
    } catch (error) {
      this.#descriptors.close(fd);
      throw error;
    }
    const group = { fd, devices: new Set<KernelDevice>() };
    this.#groups.set(iommuGroup, group);
    return group;
  }

  #openDeviceFile(device: VfioDevice, group: OpenGroup, vfToken?: string): number {
    const { bdf } = device;
    // vfio_pci_core_match(): the options follow the name.
    const token = vfToken === undefined ? "" : ` vf_token=${requireVfToken(vfToken)}`;
    const name = Buffer.from(`${bdf}${token}\0`);
    try {
      return this.#system.ioctl(group.fd, VFIO_GROUP_GET_DEVICE_FD, name);
    } catch (error) {
      if (error instanceof SystemCallError) {
        if (error.code === "EBUSY") throw inUse(device, this.#sys, error);
        if (isTokenRefusal(error, vfToken)) throw tokenRefused(bdf, vfToken, error);
      }
      throw ioctlError(bdf, "VFIO_GROUP_GET_DEVICE_FD", error);
    }
  }

  #ask(bdf: string, name: string, fd: number, request: number, argument: Uint8Array | number): void {
    try {
      this.#system.ioctl(fd, request, argument);
    } catch (error) {
      throw ioctlError(bdf, name, error);
    }
  }

  #leave(iommuGroup: number, device: KernelDevice): void {
    this.#groups.get(iommuGroup)?.devices.delete(device);
    this.#closeUnused(iommuGroup);
  }

  #closeUnused(iommuGroup: number): void {
    const group = this.#groups.get(iommuGroup);
    if (group === undefined || group.devices.size > 0 || iommuGroup === this.#anchor) return;
    this.#groups.delete(iommuGroup);
    this.#descriptors.close(group.fd);
  }
}

function openContainerFile(bdf: string, system: System): number {
  let fd: number;
  try {
    fd = system.open(CONTAINER_FILE, O_RDWR | O_CLOEXEC);
  } catch (error) {
    throw fileError(bdf, CONTAINER_FILE, "the kernel has no VFIO; load vfio-pci", error);
  }
  try {
    const version = system.ioctl(fd, VFIO_GET_API_VERSION, 0);
    if (version !== VFIO_API_VERSION) {
      throw hugebarError("ERR_NOT_SUPPORTED", {
        action: `open ${bdf}`,
        problem: `the kernel's VFIO has version ${version}; hugebar knows ${VFIO_API_VERSION}`,
      });
    }
    if (system.ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) === 0) {
      throw hugebarError("ERR_NOT_SUPPORTED", {
        action: `open ${bdf}`,
        problem: "the kernel has no type1 IOMMU for VFIO; load vfio_iommu_type1",
      });
    }
    return fd;
  } catch (error) {
    system.close(fd);
    throw ioctlError(bdf, "VFIO_CHECK_EXTENSION", error);
  }
}

function openGroupFile(device: VfioDevice, sys: string, system: System): number {
  const path = `/dev/vfio/${device.iommuGroup}`;
  try {
    return system.open(path, O_RDWR | O_CLOEXEC);
  } catch (error) {
    if (error instanceof SystemCallError && error.code === "EBUSY") throw inUse(device, sys, error);
    throw fileError(device.bdf, path, "the kernel has no VFIO groups; take the cdev instead", error);
  }
}
