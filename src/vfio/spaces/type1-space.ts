/** The DMA address space of a container: vfio_iommu_type1 (v2). */

import { requireBytes, walkCapabilities } from "../../device/transport/capability-chain.ts";
import type { IovaRange } from "../../device/transport/iova-table.ts";
import type { DirtyLog, DmaLimits, DmaRange, IoAddressSpace } from "../../device/transport/transport.ts";
import { hugebarError, type HugebarError } from "../../errors.ts";
import type { System } from "../../system/system.ts";
import { mapRefusal, requireOpen } from "./dma-refusal.ts";
import { requestError } from "../ioctls/request-error.ts";
import { type1DirtyLog } from "./type1-dirty-log.ts";
import {
  VFIO_DMA_MAP_FLAG_READ,
  VFIO_DMA_MAP_FLAG_WRITE,
  VFIO_IOMMU_GET_INFO,
  VFIO_IOMMU_INFO_CAPS,
  VFIO_IOMMU_MAP_DMA,
  VFIO_IOMMU_TYPE1_DMA_MAP,
  VFIO_IOMMU_TYPE1_DMA_UNMAP,
  VFIO_IOMMU_TYPE1_INFO,
  VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE,
  VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE_BODY,
  VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL,
  VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL_BODY,
  VFIO_IOMMU_UNMAP_DMA,
  VFIO_IOVA_RANGE,
} from "../ioctls/vfio-kernel-abi.ts";

/** A kernel before 5.4 tells of no ranges: it took every address, and left what is reserved to the user to know. */
const EVERY_ADDRESS: readonly IovaRange[] = [{ first: 0n, last: 2n ** 64n - 1n }];
const LARGEST_INFO = 1 << 20;

export class Type1Space implements IoAddressSpace {
  readonly name: string;
  readonly #fd: number;
  readonly #system: System;
  closed = false;

  /** @param fd the container's file, which stays the caller's */
  constructor(name: string, fd: number, system: System) {
    this.name = name;
    this.#fd = fd;
    this.#system = system;
  }

  map(range: DmaRange): void {
    requireOpen(this);
    const { address, iova, size, readable, writable } = range;
    const { size: argsz } = VFIO_IOMMU_TYPE1_DMA_MAP;
    const flags = (readable ? VFIO_DMA_MAP_FLAG_READ : 0) | (writable ? VFIO_DMA_MAP_FLAG_WRITE : 0);
    const request = { argsz, flags, vaddr: address, iova, size: BigInt(size) };
    try {
      this.#system.ioctl(this.#fd, VFIO_IOMMU_MAP_DMA, VFIO_IOMMU_TYPE1_DMA_MAP.encode(request));
    } catch (error) {
      throw mapRefusal(this, range, error);
    }
  }

  unmap(iova: bigint, size: number): void {
    requireOpen(this);
    const { size: argsz } = VFIO_IOMMU_TYPE1_DMA_UNMAP;
    const request = VFIO_IOMMU_TYPE1_DMA_UNMAP.encode({ argsz, iova, size: BigInt(size) });
    try {
      this.#system.ioctl(this.#fd, VFIO_IOMMU_UNMAP_DMA, request);
    } catch (error) {
      throw requestError(`unmap ${size} bytes at 0x${iova.toString(16)} from DMA of ${this.name}`, error);
    }
  }

  limits(): DmaLimits {
    requireOpen(this);
    const bytes = this.#queryInfo();
    const { flags, iova_pgsizes, cap_offset } = VFIO_IOMMU_TYPE1_INFO.decode(bytes);
    const fault = (problem: string): HugebarError =>
      hugebarError("ERR_PROTOCOL", { action: `read what DMA of ${this.name} may be`, problem });
    let usable = EVERY_ADDRESS;
    let entriesLeft: number | null = null;
    const first = (flags & VFIO_IOMMU_INFO_CAPS) === 0 ? 0 : cap_offset;
    for (const { id, at } of walkCapabilities(bytes, first, VFIO_IOMMU_TYPE1_INFO.size, fault)) {
      if (id === VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE) usable = decodeRanges(bytes, at, fault);
      else if (id === VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL) {
        requireBytes(bytes, at, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL_BODY.size, fault);
        entriesLeft = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL_BODY.decode(bytes, at).avail;
      }
    }
    const pageSizes = sizesIn(iova_pgsizes);
    const [alignment = this.#system.pageSize] = pageSizes;
    return { usable, alignment, pageSizes, entriesLeft };
  }

  logDirty(): DirtyLog {
    requireOpen(this);
    return type1DirtyLog(this.#fd, this.name, this.limits().alignment, this.#system);
  }

  /** The structure with its capabilities: the kernel says how much room it needs, and is asked again with that much. */
  #queryInfo(): Uint8Array {
    for (let room = VFIO_IOMMU_TYPE1_INFO.size; ;) {
      const request = VFIO_IOMMU_TYPE1_INFO.encode({ argsz: room }, room - VFIO_IOMMU_TYPE1_INFO.size);
      const action = `read what DMA of ${this.name} may be`;
      try {
        this.#system.ioctl(this.#fd, VFIO_IOMMU_GET_INFO, request);
      } catch (error) {
        throw requestError(action, error);
      }
      const { argsz } = VFIO_IOMMU_TYPE1_INFO.decode(request);
      if (argsz <= room) return request;
      if (argsz > LARGEST_INFO) {
        throw hugebarError("ERR_PROTOCOL", { action, problem: `the kernel asks for ${argsz} bytes for it` });
      }
      room = argsz;
    }
  }
}

function decodeRanges(
  bytes: Uint8Array,
  at: number,
  fault: (problem: string) => HugebarError,
): readonly IovaRange[] {
  const body = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE_BODY;
  requireBytes(bytes, at, body.size, fault);
  const { nr_iovas } = body.decode(bytes, at);
  requireBytes(bytes, at + body.size, nr_iovas * VFIO_IOVA_RANGE.size, fault);
  return Array.from({ length: nr_iovas }, (_, index) => {
    const place = at + body.size + index * VFIO_IOVA_RANGE.size;
    const { start, end } = VFIO_IOVA_RANGE.decode(bytes, place);
    return { first: start, last: end };
  });
}

/** The sizes whose bits are set, as far as they are sizes of ours. */
function sizesIn(bits: bigint): number[] {
  const sizes = Array.from({ length: 53 }, (_, bit) => 2 ** bit);
  return sizes.filter((size) => (bits & BigInt(size)) !== 0n);
}
