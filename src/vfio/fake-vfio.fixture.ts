/**
 * VFIO at the syscall seam, for tests on a machine without it: `open`, `close`, `ioctl`, `pread` and `pwrite` answer as
 * the kernel's vfio, vfio_iommu_type1 and iommufd do, with their structures and errnos, and any call can be made to fail.
 */

import { constants } from "node:os";
import { encodeRegionInfo, type RegionDescription } from "../device/transport/region-info.ts";
import {
  VFIO_DEVICE_FEATURE_ARGUMENT,
  VFIO_DEVICE_FEATURE_MASK,
  VFIO_DEVICE_FEATURE_PROBE,
  VFIO_DEVICE_INFO,
  VFIO_INFO_CAP_HEADER,
  VFIO_IRQ_INFO,
  VFIO_IRQ_SET,
  VFIO_PCI_VGA_REGION_INDEX,
  VFIO_REGION_INFO,
} from "../device/transport/vfio-abi.ts";
import { linux } from "../system/libc.ts";
import { SystemCallError, type System } from "../system/system.ts";
import * as iommufd from "./ioctls/iommufd-abi.ts";
import * as vfio from "./ioctls/vfio-kernel-abi.ts";

export type FakeRegion = Omit<RegionDescription, "index" | "fdOffset"> & {
  /** What reads find and writes change, from the region's start; the rest reads 0. */
  readonly bytes?: Uint8Array;
};

export interface FakeDevice {
  readonly bdf: string;
  readonly group: number;
  readonly cdev: string;
  /** VFIO_DEVICE_FLAGS_… */
  readonly flags: number;
  readonly regions: readonly FakeRegion[];
  readonly irqCounts: readonly number[];
  /** The token that another process holds its other side with: without it, it does not open. */
  readonly vfToken?: string;
}

interface FakeFile {
  readonly kind: "container" | "group" | "device" | "iommufd";
  readonly device?: FakeDevice;
  readonly group?: number;
  /** Of a group: its container. Of a cdev: its iommufd. */
  owner?: number;
  /** Of a container: its IOMMU is set. Of a cdev: it is attached. */
  ready?: boolean;
  /** Of a cdev: what it is attached to. */
  pageTable?: number;
}

const { EACCES, EBADF, EBUSY, EEXIST, EINVAL, EMSGSIZE, ENODEV, ENOENT, ENOSPC, ENOTTY, EOPNOTSUPP } =
  constants.errno;

/** How a kernel can differ from one with everything. */
export interface FakeKernelShape {
  /** Paths that do not open, with the errno. */
  readonly refused?: Readonly<Record<string, number>>;
  /** Groups that are not viable. */
  readonly notViable?: readonly number[];
  readonly apiVersion?: number;
  readonly hasType1?: boolean;
  readonly hasDmaBuf?: boolean;
  readonly hasLowPower?: boolean;
  readonly hasDirtyBits?: boolean;
}

/** The machine's VFIO; `system` is the seam to give to what is tested. */
export class FakeVfio {
  readonly system: System;
  /** `open PATH`, `ioctl NAME`, …, in the order made; `close` is not counted as a call that fails. */
  readonly calls: string[] = [];
  /** Makes the call with this place in `calls` fail with the errno. */
  failing: { readonly at: number; readonly errno: number } | null = null;
  readonly requests: { readonly name: string; readonly argument: Uint8Array }[] = [];
  /** What is mapped for DMA: sizes by IOVA. A machine here has one address space. */
  readonly mapped = new Map<bigint, bigint>();
  /** Pages that devices have written since they were asked for. */
  readonly dirty = new Set<bigint>();
  /** Whether that is logged. */
  logging = false;
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
    if (file?.kind === "container" || file?.kind === "iommufd") this.mapped.clear();
    // vfio_iommu_type1_detach_group(): the last group takes all mappings along.
    const others = [...this.#files.values()];
    if (file?.kind === "group" && !others.some(({ kind }) => kind === "group")) this.mapped.clear();
    this.calls.push("close");
  }

  #ioctl(fd: number, request: number, argument: Uint8Array | number): number {
    const name = REQUEST_NAMES.get(request) ?? String(request);
    this.#count("ioctl", name);
    if (typeof argument !== "number") this.requests.push({ name, argument: argument.slice() });
    const file = this.#file(fd, "ioctl");
    switch (file.kind) {
      case "container":
        return this.#containerIoctl(file, request, argument);
      case "group":
        return this.#groupIoctl(file, request, bytesOf(argument));
      case "iommufd":
        return this.#iommufdIoctl(request, bytesOf(argument));
      case "device":
        return this.#deviceIoctl(fd, file, request, argument);
    }
  }

  #containerIoctl(file: FakeFile, request: number, argument: Uint8Array | number): number {
    switch (request) {
      case vfio.VFIO_GET_API_VERSION:
        return this.#shape.apiVersion ?? vfio.VFIO_API_VERSION;
      case vfio.VFIO_CHECK_EXTENSION:
        return argument === vfio.VFIO_TYPE1v2_IOMMU && this.#shape.hasType1 !== false ? 1 : 0;
      case vfio.VFIO_SET_IOMMU:
        if (file.ready === true || argument !== vfio.VFIO_TYPE1v2_IOMMU)
          throw new SystemCallError("ioctl", EINVAL);
        file.ready = true;
        return 0;
      case vfio.VFIO_IOMMU_GET_INFO:
        return answerType1Info(bytesOf(argument), this.mapped.size);
      case vfio.VFIO_IOMMU_DIRTY_PAGES:
        return this.#type1Dirty(bytesOf(argument));
      case vfio.VFIO_IOMMU_MAP_DMA: {
        requireSize(bytesOf(argument), vfio.VFIO_IOMMU_TYPE1_DMA_MAP.size);
        const { iova, size } = vfio.VFIO_IOMMU_TYPE1_DMA_MAP.decode(bytesOf(argument));
        return this.#map(iova, size);
      }
      case vfio.VFIO_IOMMU_UNMAP_DMA: {
        requireSize(bytesOf(argument), vfio.VFIO_IOMMU_TYPE1_DMA_UNMAP.size);
        this.mapped.delete(vfio.VFIO_IOMMU_TYPE1_DMA_UNMAP.decode(bytesOf(argument)).iova);
        return 0;
      }
      default:
        throw new SystemCallError("ioctl", ENOTTY);
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
      case vfio.VFIO_DEVICE_GET_INFO: {
        const { flags, regions, irqCounts } = device;
        VFIO_DEVICE_INFO.encodeInto(bytesOf(argument), 0, {
          argsz: VFIO_DEVICE_INFO.size,
          flags,
          num_regions: regions.length,
          num_irqs: irqCounts.length,
        });
        return 0;
      }
      case vfio.VFIO_DEVICE_GET_REGION_INFO:
        return answerRegionInfo(device, bytesOf(argument));
      case vfio.VFIO_DEVICE_GET_IRQ_INFO: {
        const bytes = bytesOf(argument);
        const { index } = VFIO_IRQ_INFO.decode(bytes);
        const count = device.irqCounts[index];
        if (count === undefined) throw new SystemCallError("ioctl", EINVAL);
        VFIO_IRQ_INFO.encodeInto(bytes, 0, { argsz: VFIO_IRQ_INFO.size, flags: 1, index, count });
        return 0;
      }
      case vfio.VFIO_DEVICE_SET_IRQS:
        return requireSize(bytesOf(argument), VFIO_IRQ_SET.size);
      case vfio.VFIO_DEVICE_RESET:
        return 0;
      case vfio.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
        return this.#hotResetInfo(file, device, bytesOf(argument));
      case vfio.VFIO_DEVICE_PCI_HOT_RESET:
        return requireSize(bytesOf(argument), vfio.VFIO_PCI_HOT_RESET.size);
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
      default:
        throw new SystemCallError("ioctl", ENOTTY);
    }
  }

  #iommufdIoctl(request: number, argument: Uint8Array): number {
    switch (request) {
      case iommufd.IOMMU_IOAS_ALLOC:
        iommufd.IOMMU_IOAS_ALLOC_ARGUMENT.encodeInto(argument, 0, {
          size: argument.length,
          out_ioas_id: IOAS,
        });
        return 0;
      case iommufd.IOMMU_IOAS_IOVA_RANGES: {
        const asked = iommufd.IOMMU_IOAS_IOVA_RANGES_ARGUMENT.decode(argument);
        requireIoas(asked.ioas_id);
        const room = new Uint8Array(linux.view(asked.allowed_iovas, asked.num_iovas * 16));
        for (const [index, { first, last }] of USABLE.entries()) {
          if (index < asked.num_iovas)
            iommufd.IOMMU_IOVA_RANGE.encodeInto(room, index * 16, { start: first, last });
        }
        const answer = { ...asked, num_iovas: USABLE.length, out_iova_alignment: 0x1000n };
        iommufd.IOMMU_IOAS_IOVA_RANGES_ARGUMENT.encodeInto(argument, 0, answer);
        if (asked.num_iovas < USABLE.length) throw new SystemCallError("ioctl", EMSGSIZE);
        return 0;
      }
      case iommufd.IOMMU_HWPT_ALLOC: {
        const asked = iommufd.IOMMU_HWPT_ALLOC_ARGUMENT.decode(argument);
        if (asked.dev_id !== DEVICE_ID || asked.pt_id !== IOAS) throw new SystemCallError("ioctl", ENOENT);
        if (this.#shape.hasDirtyBits === false) throw new SystemCallError("ioctl", EOPNOTSUPP);
        iommufd.IOMMU_HWPT_ALLOC_ARGUMENT.encodeInto(argument, 0, { ...asked, out_hwpt_id: HWPT });
        return 0;
      }
      case iommufd.IOMMU_HWPT_SET_DIRTY_TRACKING: {
        const { hwpt_id, flags } = iommufd.IOMMU_HWPT_SET_DIRTY_TRACKING_ARGUMENT.decode(argument);
        if (hwpt_id !== HWPT) throw new SystemCallError("ioctl", ENOENT);
        this.logging = flags === iommufd.IOMMU_HWPT_DIRTY_TRACKING_ENABLE;
        return 0;
      }
      case iommufd.IOMMU_HWPT_GET_DIRTY_BITMAP: {
        const { hwpt_id, iova, length, data } = iommufd.IOMMU_HWPT_GET_DIRTY_BITMAP_ARGUMENT.decode(argument);
        if (hwpt_id !== HWPT || !this.logging) throw new SystemCallError("ioctl", EINVAL);
        return this.#reportDirty(iova, data, Math.ceil(Number(length) / 0x1000 / 64) * 8);
      }
      case iommufd.IOMMU_DESTROY: {
        const { id } = iommufd.IOMMU_DESTROY_ARGUMENT.decode(argument);
        // iommufd_destroy(): what a device is attached to is in use.
        const used = [...this.#files.values()].some(({ pageTable }) => pageTable === id);
        if (id !== HWPT || used) throw new SystemCallError("ioctl", EBUSY);
        return 0;
      }
      case iommufd.IOMMU_IOAS_MAP: {
        const { ioas_id, iova, length } = iommufd.IOMMU_IOAS_MAP_ARGUMENT.decode(argument);
        requireIoas(ioas_id);
        return this.#map(iova, length);
      }
      case iommufd.IOMMU_IOAS_UNMAP: {
        const { ioas_id, iova } = iommufd.IOMMU_IOAS_UNMAP_ARGUMENT.decode(argument);
        requireIoas(ioas_id);
        if (!this.mapped.delete(iova)) throw new SystemCallError("ioctl", ENOENT);
        return 0;
      }
      default:
        throw new SystemCallError("ioctl", ENOTTY);
    }
  }

  #type1Dirty(argument: Uint8Array): number {
    const { flags } = vfio.VFIO_IOMMU_TYPE1_DIRTY_BITMAP.decode(argument);
    if ((flags & vfio.VFIO_IOMMU_DIRTY_PAGES_FLAG_START) !== 0) this.logging = true;
    if ((flags & vfio.VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP) !== 0) this.logging = false;
    if ((flags & vfio.VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP) === 0) return 0;
    const { iova, size } = vfio.VFIO_IOMMU_TYPE1_DIRTY_BITMAP_GET.decode(argument, 8);
    const bitmap = vfio.VFIO_BITMAP.decode(argument, 24);
    // vfio_iommu_type1_dirty_pages(): whole mappings, the smallest page, room in whole u64.
    if (!this.logging || this.mapped.get(iova) !== size || bitmap.pgsize !== 0x1000n) {
      throw new SystemCallError("ioctl", EINVAL);
    }
    return this.#reportDirty(iova, bitmap.data, Number(bitmap.size));
  }

  #reportDirty(iova: bigint, address: bigint, size: number): number {
    const bits = new Uint8Array(linux.view(address, size));
    for (const page of this.dirty) {
      const at = Number((page - iova) / 0x1000n);
      if (at >= 0 && at < size * 8) bits[at >>> 3] = (bits[at >>> 3] ?? 0) | (1 << (at & 7));
    }
    this.dirty.clear();
    return 0;
  }

  #map(iova: bigint, size: bigint): number {
    const last = iova + size - 1n;
    const isUsable = USABLE.some((range) => range.first <= iova && last <= range.last);
    if (iova % 0x1000n !== 0n || size % 0x1000n !== 0n || !isUsable)
      throw new SystemCallError("ioctl", EINVAL);
    for (const [other, otherSize] of this.mapped) {
      if (other <= last && iova < other + otherSize) throw new SystemCallError("ioctl", EEXIST);
    }
    this.mapped.set(iova, size);
    return 0;
  }

  /** All devices of one bus are reset together, whatever their group. */
  #hotResetInfo(file: FakeFile, device: FakeDevice, argument: Uint8Array): number {
    const bus = Number.parseInt(device.bdf.slice(5, 7), 16);
    const affected = this.#devices.filter(({ bdf }) => Number.parseInt(bdf.slice(5, 7), 16) === bus);
    const byCdev = file.owner !== undefined;
    const { argsz } = vfio.VFIO_PCI_HOT_RESET_INFO.decode(argument);
    const flags = byCdev ? vfio.VFIO_PCI_HOT_RESET_FLAG_DEV_ID : 0;
    vfio.VFIO_PCI_HOT_RESET_INFO.encodeInto(argument, 0, { argsz, flags, count: affected.length });
    const { size } = vfio.VFIO_PCI_HOT_RESET_INFO;
    if (argsz < size + affected.length * vfio.VFIO_PCI_DEPENDENT_DEVICE.size)
      throw new SystemCallError("ioctl", ENOSPC);
    for (const [index, { bdf, group }] of affected.entries()) {
      const held = [...this.#files.values()].some(
        (other) => other.device?.bdf === bdf && other.owner === file.owner,
      );
      vfio.VFIO_PCI_DEPENDENT_DEVICE.encodeInto(
        argument,
        size + index * vfio.VFIO_PCI_DEPENDENT_DEVICE.size,
        {
          group_id: byCdev ? (held ? index + 1 : 0xffff_ffff) : group,
          bus,
          devfn: (Number.parseInt(bdf.slice(8, 10), 16) << 3) | Number(bdf.at(-1)),
        },
      );
    }
    return 0;
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

/** vfio-pci puts region N at N << 40 of the device's file. */
export const REGION_STRIDE = 2 ** 40;

const IOAS = 5;
const HWPT = 6;
const DEVICE_ID = 1;

/** The kernel fills in what fits and says in `argsz` what would. */
function answerRegionInfo(device: FakeDevice, argument: Uint8Array): number {
  const { argsz, index } = VFIO_REGION_INFO.decode(argument);
  const region = device.regions[index];
  const isAbsentVga = index === VFIO_PCI_VGA_REGION_INDEX && region?.size === 0;
  if (region === undefined || isAbsentVga || argsz < VFIO_REGION_INFO.size)
    throw new SystemCallError("ioctl", EINVAL);
  const whole = encodeRegionInfo({ ...region, index, fdOffset: index * REGION_STRIDE });
  if (whole.length <= argsz) {
    argument.set(whole);
    return 0;
  }
  argument.set(whole.subarray(0, VFIO_REGION_INFO.size));
  VFIO_REGION_INFO.encodeInto(argument, 0, { ...VFIO_REGION_INFO.decode(argument), cap_offset: 0 });
  return 0;
}

/** What x86's IOMMUs offer: all that they address but the window for interrupts. */
export const USABLE = [
  { first: 0n, last: 0xfedf_ffffn },
  { first: 0xfef0_0000n, last: 2n ** 39n - 1n },
] as const;

const MOST_MAPPINGS = 65_535;

function answerType1Info(argument: Uint8Array, mapped: number): number {
  const { argsz } = vfio.VFIO_IOMMU_TYPE1_INFO.decode(argument);
  const header = (id: number, next: number) => VFIO_INFO_CAP_HEADER.encode({ id, version: 1, next });
  const availAt = vfio.VFIO_IOMMU_TYPE1_INFO.size;
  const rangesAt = availAt + VFIO_INFO_CAP_HEADER.size + 8;
  const whole = Buffer.concat([
    vfio.VFIO_IOMMU_TYPE1_INFO.encode({
      flags: vfio.VFIO_IOMMU_INFO_PGSIZES | vfio.VFIO_IOMMU_INFO_CAPS,
      iova_pgsizes: 0x4020_1000n,
      cap_offset: availAt,
    }),
    header(vfio.VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, rangesAt),
    vfio.VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL_BODY.encode({ avail: MOST_MAPPINGS - mapped }, 4),
    header(vfio.VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, 0),
    vfio.VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE_BODY.encode({ nr_iovas: USABLE.length }),
    ...USABLE.map(({ first, last }) => vfio.VFIO_IOVA_RANGE.encode({ start: first, end: last })),
  ]);
  new DataView(whole.buffer, whole.byteOffset).setUint32(0, whole.length, true);
  argument.set(whole.subarray(0, Math.min(argsz, whole.length)));
  return 0;
}

function requireIoas(id: number): void {
  if (id !== IOAS) throw new SystemCallError("ioctl", ENOENT);
}

/** Every VFIO structure starts with its own size. */
function requireSize(argument: Uint8Array, size: number): number {
  const argsz = new DataView(argument.buffer, argument.byteOffset).getUint32(0, true);
  if (argsz < size || argsz > argument.length) throw new SystemCallError("ioctl", EINVAL);
  return 0;
}

function bytesOf(argument: Uint8Array | number): Uint8Array {
  if (typeof argument === "number") throw new SystemCallError("ioctl", constants.errno.EFAULT);
  return argument;
}

const REQUEST_NAMES = new Map(
  Object.entries({ ...vfio, ...iommufd }).flatMap(([name, value]) =>
    typeof value === "number" && value >>> 8 === ";".charCodeAt(0) ? [[value, name] as const] : [],
  ),
);
