/**
 * VFIO at the syscall seam, for tests on a machine without it: `open`, `close`, `ioctl`, `pread` and `pwrite` answer as
 * the kernel's vfio, vfio_iommu_type1 and iommufd do, with their structures and errnos, and any call can be made to fail.
 */

import { constants } from "node:os";
import {
  VFIO_DEVICE_FEATURE_ARGUMENT,
  VFIO_DEVICE_FEATURE_MASK,
  VFIO_DEVICE_FEATURE_PROBE,
} from "../device/transport/vfio-abi.ts";
import { linux } from "../system/libc.ts";
import { SystemCallError, type System } from "../system/system.ts";
import { bytesOf, requireSize } from "./fake-argument.fixture.ts";
import {
  answerDevice,
  answerHotResetInfo,
  REGION_STRIDE,
  type FakeDevice,
  type FakeFile,
} from "./fake-device.fixture.ts";
import { answerIommufd, DEVICE_ID, HWPT, IOAS } from "./fake-iommufd.fixture.ts";
import { FakeSpace } from "./fake-space.fixture.ts";
import { answerContainer, type FakeType1Shape } from "./fake-type1.fixture.ts";
import * as iommufd from "./ioctls/iommufd-abi.ts";
import * as vfio from "./ioctls/vfio-kernel-abi.ts";

/** How a kernel can differ from one with everything. */
export interface FakeKernelShape extends FakeType1Shape {
  /** Paths that do not open, with the errno. */
  readonly refused?: Readonly<Record<string, number>>;
  /** Groups that are not viable. */
  readonly notViable?: readonly number[];
  readonly hasDmaBuf?: boolean;
  readonly hasLowPower?: boolean;
  readonly hasDirtyBits?: boolean;
}

const { EACCES, EBADF, EBUSY, EINVAL, ENODEV, ENOENT, ENOTTY } = constants.errno;

/** The machine's VFIO; `system` is the seam to give to what is tested. */
export class FakeVfio {
  readonly system: System;
  /** `open PATH`, `ioctl NAME`, …, in the order made; `close` is not counted as a call that fails. */
  readonly calls: string[] = [];
  /** Makes the call with this place in `calls` fail with the errno. */
  failing: { readonly at: number; readonly errno: number } | null = null;
  readonly requests: { readonly name: string; readonly argument: Uint8Array }[] = [];
  readonly space = new FakeSpace();
  readonly #files = new Map<number, FakeFile>();
  readonly #devices: readonly FakeDevice[];
  readonly #shape: FakeKernelShape;
  #nextFd = 100;

  constructor(devices: readonly FakeDevice[], shape: FakeKernelShape = {}) {
    this.#devices = devices;
    this.#shape = shape;
    this.system = {
      ...linux,
      open: (path) => this.#open(path),
      close: (fd) => this.#close(fd),
      tieToThread: (fd) => fd,
      ioctl: (fd, request, argument) => this.#ioctl(fd, request, argument),
      pread: (fd, target, offset) => this.#access("pread", fd, target, offset),
      pwrite: (fd, source, offset) => this.#access("pwrite", fd, source, offset),
    };
  }

  /** How many files are open. */
  get openFiles(): number {
    return this.#files.size;
  }

  #open(path: string): number {
    this.#count("open", `open ${path}`);
    const errno = this.#shape.refused?.[path];
    if (errno !== undefined) throw new SystemCallError("open", errno);
    if (path === "/dev/vfio/vfio") return this.#add({ kind: "container" });
    if (path === "/dev/iommu") return this.#add({ kind: "iommufd" });
    const cdev = this.#devices.find((device) => path === `/dev/vfio/devices/${device.cdev}`);
    if (cdev !== undefined) return this.#add({ kind: "device", device: cdev });
    const member = this.#devices.find((device) => path === `/dev/vfio/${device.group}`);
    if (member === undefined) throw new SystemCallError("open", ENOENT);
    const { group } = member;
    // vfio_group_fops_open(): neither twice, nor while a cdev of the group is bound.
    const taken = [...this.#files.values()].some(
      (file) => file.group === group || (file.device?.group === group && file.owner !== undefined),
    );
    if (taken) throw new SystemCallError("open", EBUSY);
    return this.#add({ kind: "group", group });
  }

  #close(fd: number): void {
    const file = this.#files.get(fd);
    if (!this.#files.delete(fd)) throw new SystemCallError("close", EBADF);
    if (file?.kind === "container" || file?.kind === "iommufd") this.space.mapped.clear();
    // vfio_iommu_type1_detach_group(): the last group takes all mappings along.
    const others = [...this.#files.values()];
    if (file?.kind === "group" && !others.some(({ kind }) => kind === "group")) this.space.mapped.clear();
    this.calls.push("close");
  }

  #ioctl(fd: number, request: number, argument: Uint8Array | number): number {
    const name = REQUEST_NAMES.get(request) ?? String(request);
    this.#count("ioctl", name);
    if (typeof argument !== "number") this.requests.push({ name, argument: argument.slice() });
    const file = this.#file(fd, "ioctl");
    switch (file.kind) {
      case "container":
        return answerContainer(this.space, this.#shape, file, request, argument);
      case "group":
        return this.#groupIoctl(file, request, bytesOf(argument));
      case "iommufd":
        return answerIommufd(
          this.space,
          this.#shape.hasDirtyBits !== false,
          [...this.#files.values()].flatMap(({ pageTable }) => pageTable ?? []),
          request,
          bytesOf(argument),
        );
      case "device":
        return this.#deviceIoctl(fd, file, request, argument);
    }
  }

  #groupIoctl(file: FakeFile, request: number, argument: Uint8Array): number {
    switch (request) {
      case vfio.VFIO_GROUP_GET_STATUS: {
        const viable = file.group !== undefined && this.#shape.notViable?.includes(file.group) !== true;
        const flags = viable ? vfio.VFIO_GROUP_FLAGS_VIABLE : 0;
        vfio.VFIO_GROUP_STATUS.encodeInto(argument, 0, { argsz: vfio.VFIO_GROUP_STATUS.size, flags });
        return 0;
      }
      case vfio.VFIO_GROUP_SET_CONTAINER: {
        const container = new DataView(argument.buffer, argument.byteOffset).getInt32(0, true);
        if (this.#files.get(container)?.kind !== "container") throw new SystemCallError("ioctl", EINVAL);
        file.owner = container;
        return 0;
      }
      case vfio.VFIO_GROUP_GET_DEVICE_FD: {
        const container = file.owner === undefined ? undefined : this.#files.get(file.owner);
        if (container?.ready !== true) throw new SystemCallError("ioctl", EINVAL);
        const name = Buffer.from(argument).toString();
        const [bdf, token] = name.replace("\0", "").split(" ");
        const device = this.#devices.find((each) => each.group === file.group && each.bdf === bdf);
        if (device === undefined) throw new SystemCallError("ioctl", ENODEV);
        const wanted = device.vfToken === undefined ? undefined : `vf_token=${device.vfToken}`;
        if (token !== wanted) throw new SystemCallError("ioctl", wanted === undefined ? EINVAL : EACCES);
        return this.#add({ kind: "device", device, ready: true });
      }
      default:
        throw new SystemCallError("ioctl", ENOTTY);
    }
  }

  #deviceIoctl(fd: number, file: FakeFile, request: number, argument: Uint8Array | number): number {
    const { device } = file;
    if (device === undefined) throw new SystemCallError("ioctl", ENODEV);
    if (request === vfio.VFIO_DEVICE_BIND_IOMMUFD) return this.#bind(fd, file, bytesOf(argument));
    if (request === vfio.VFIO_DEVICE_ATTACH_IOMMUFD_PT) {
      const { pt_id } = vfio.VFIO_DEVICE_ATTACH_IOMMUFD_PT_ARGUMENT.decode(bytesOf(argument));
      if (file.owner === undefined || (pt_id !== IOAS && pt_id !== HWPT))
        throw new SystemCallError("ioctl", ENOENT);
      file.ready = true;
      file.pageTable = pt_id;
      return 0;
    }
    if (file.ready !== true) throw new SystemCallError("ioctl", EINVAL);
    switch (request) {
      case vfio.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
        return answerHotResetInfo(this.#devices, [...this.#files.values()], file, device, bytesOf(argument));
      case vfio.VFIO_DEVICE_FEATURE: {
        const feature =
          VFIO_DEVICE_FEATURE_ARGUMENT.decode(bytesOf(argument)).flags & VFIO_DEVICE_FEATURE_MASK;
        if (feature !== vfio.VFIO_DEVICE_FEATURE_DMA_BUF) {
          if (this.#shape.hasLowPower !== true) throw new SystemCallError("ioctl", ENOTTY);
          return 0;
        }
        if (this.#shape.hasDmaBuf !== true) throw new SystemCallError("ioctl", ENOTTY);
        const { flags } = VFIO_DEVICE_FEATURE_ARGUMENT.decode(bytesOf(argument));
        return (flags & VFIO_DEVICE_FEATURE_PROBE) === 0 ? this.#add({ kind: "device" }) : 0;
      }
      case vfio.VFIO_DEVICE_RESET:
        return 0;
      default:
        return answerDevice(device, request, bytesOf(argument));
    }
  }

  #bind(fd: number, file: FakeFile, argument: Uint8Array): number {
    requireSize(argument, vfio.VFIO_DEVICE_BIND_IOMMUFD_ARGUMENT.size);
    const { iommufd: owner, flags } = vfio.VFIO_DEVICE_BIND_IOMMUFD_ARGUMENT.decode(argument);
    const wanted = file.device?.vfToken;
    const token =
      (flags & vfio.VFIO_DEVICE_BIND_FLAG_TOKEN) === 0
        ? undefined
        : Buffer.from(
            linux.view(vfio.VFIO_DEVICE_BIND_IOMMUFD_WITH_TOKEN.decode(argument).token_uuid_ptr, 16),
          ).toString("hex");
    if (token !== wanted?.replaceAll("-", ""))
      throw new SystemCallError("ioctl", wanted === undefined ? EINVAL : EACCES);
    if (this.#files.get(owner)?.kind !== "iommufd") throw new SystemCallError("ioctl", EBADF);
    const others = [...this.#files].filter(([other]) => other !== fd).map(([, other]) => other);
    // vfio_df_block_group(), then vfio_df_open().
    if (others.some(({ group }) => group === file.device?.group)) throw new SystemCallError("ioctl", EBUSY);
    if (others.some(({ device, owner: bound }) => device === file.device && bound !== undefined)) {
      throw new SystemCallError("ioctl", EINVAL);
    }
    file.owner = owner;
    new DataView(argument.buffer, argument.byteOffset).setUint32(12, DEVICE_ID, true);
    return 0;
  }

  #access(call: "pread" | "pwrite", fd: number, bytes: Uint8Array, offset: number): number {
    this.#count(call, call);
    const { device, ready } = this.#file(fd, call);
    const index = Math.floor(offset / REGION_STRIDE);
    const region = device?.regions[index];
    if (region === undefined || ready !== true) throw new SystemCallError(call, EINVAL);
    const start = offset - index * REGION_STRIDE;
    const length = Math.max(0, Math.min(bytes.length, region.size - start));
    for (let at = 0; at < length; at += 1) {
      if (call === "pread") bytes[at] = region.bytes?.[start + at] ?? 0;
      else if (region.bytes !== undefined) region.bytes[start + at] = bytes[at] ?? 0;
    }
    return length;
  }

  #count(call: string, name: string): void {
    const at = this.calls.push(name) - 1;
    if (this.failing?.at === at) throw new SystemCallError(call, this.failing.errno);
  }

  #file(fd: number, call: string): FakeFile {
    const file = this.#files.get(fd);
    if (file === undefined) throw new SystemCallError(call, EBADF);
    return file;
  }

  #add(file: FakeFile): number {
    this.#nextFd += 1;
    this.#files.set(this.#nextFd, file);
    return this.#nextFd;
  }
}

const REQUEST_NAMES = new Map(
  Object.entries({ ...vfio, ...iommufd }).flatMap(([name, value]) =>
    typeof value === "number" && value >>> 8 === ";".charCodeAt(0) ? [[value, name] as const] : [],
  ),
);
