/** The DMA address space of an iommufd: an IOAS. */

import type { DirtyLog, DmaLimits, DmaRange, IoAddressSpace } from "../../device/transport/transport.ts";
import { hugebarError } from "../../errors.ts";
import { SystemCallError, type System } from "../../system/system.ts";
import { mapRefusal, requireOpen } from "./dma-refusal.ts";
import { ioasDirtyLog, type Attachments } from "./ioas-dirty-log.ts";
import {
  IOMMU_IOAS_IOVA_RANGES,
  IOMMU_IOAS_IOVA_RANGES_ARGUMENT,
  IOMMU_IOAS_MAP,
  IOMMU_IOAS_MAP_ARGUMENT,
  IOMMU_IOAS_MAP_FIXED_IOVA,
  IOMMU_IOAS_MAP_READABLE,
  IOMMU_IOAS_MAP_WRITEABLE,
  IOMMU_IOAS_UNMAP,
  IOMMU_IOAS_UNMAP_ARGUMENT,
  IOMMU_IOVA_RANGE,
} from "../ioctls/iommufd-abi.ts";
import { requestError } from "../ioctls/request-error.ts";

/** The kernel is asked again with as much room as it says it needs, and not believed beyond this. */
const MOST_RANGES = 1 << 16;

export class IoasSpace implements IoAddressSpace {
  readonly name: string;
  /** Its id in the iommufd. */
  readonly id: number;
  readonly #fd: number;
  readonly #system: System;
  readonly #attachments: Attachments;
  closed = false;

  /** @param fd the iommufd, which stays the caller's */
  constructor(name: string, fd: number, id: number, attachments: Attachments, system: System) {
    this.#attachments = attachments;
    this.name = name;
    this.id = id;
    this.#fd = fd;
    this.#system = system;
  }

  map(range: DmaRange): void {
    requireOpen(this);
    const { address, iova, size, readable, writable } = range;
    const flags =
      IOMMU_IOAS_MAP_FIXED_IOVA |
      (readable ? IOMMU_IOAS_MAP_READABLE : 0) |
      (writable ? IOMMU_IOAS_MAP_WRITEABLE : 0);
    const request = IOMMU_IOAS_MAP_ARGUMENT.encode({
      size: IOMMU_IOAS_MAP_ARGUMENT.size,
      flags,
      ioas_id: this.id,
      user_va: address,
      length: BigInt(size),
      iova,
    });
    try {
      this.#system.ioctl(this.#fd, IOMMU_IOAS_MAP, request);
    } catch (error) {
      throw mapRefusal(this, range, error);
    }
  }

  unmap(iova: bigint, size: number): void {
    requireOpen(this);
    const request = IOMMU_IOAS_UNMAP_ARGUMENT.encode({
      size: IOMMU_IOAS_UNMAP_ARGUMENT.size,
      ioas_id: this.id,
      iova,
      length: BigInt(size),
    });
    try {
      this.#system.ioctl(this.#fd, IOMMU_IOAS_UNMAP, request);
    } catch (error) {
      throw requestError(`unmap ${size} bytes at 0x${iova.toString(16)} from DMA of ${this.name}`, error);
    }
  }

  limits(): DmaLimits {
    requireOpen(this);
    for (let room = 16; ;) {
      const ranges = new Uint8Array(room * IOMMU_IOVA_RANGE.size);
      const request = IOMMU_IOAS_IOVA_RANGES_ARGUMENT.encode({
        size: IOMMU_IOAS_IOVA_RANGES_ARGUMENT.size,
        ioas_id: this.id,
        num_iovas: room,
        allowed_iovas: this.#system.addressOf(ranges),
      });
      const isWhole = this.#fillRanges(request);
      const { num_iovas, out_iova_alignment } = IOMMU_IOAS_IOVA_RANGES_ARGUMENT.decode(request);
      if (isWhole && num_iovas <= room) {
        const usable = Array.from({ length: num_iovas }, (_, index) => {
          const { start, last } = IOMMU_IOVA_RANGE.decode(ranges, index * IOMMU_IOVA_RANGE.size);
          return { first: start, last };
        });
        return { usable, alignment: Number(out_iova_alignment), pageSizes: null, entriesLeft: null };
      }
      if (num_iovas <= room || num_iovas > MOST_RANGES) {
        const problem = `the kernel asks for room for ${num_iovas} ranges`;
        throw hugebarError("ERR_PROTOCOL", { action: this.#asking(), problem });
      }
      room = num_iovas;
    }
  }

  logDirty(): DirtyLog {
    requireOpen(this);
    const { alignment } = this.limits();
    return ioasDirtyLog(this.#fd, this.id, this.name, alignment, this.#attachments, this.#system);
  }

  /** False where there are more than there is room for. */
  #fillRanges(request: Uint8Array): boolean {
    try {
      this.#system.ioctl(this.#fd, IOMMU_IOAS_IOVA_RANGES, request);
      return true;
    } catch (error) {
      if (error instanceof SystemCallError && error.code === "EMSGSIZE") return false;
      throw requestError(this.#asking(), error);
    }
  }

  #asking(): string {
    return `read what DMA of ${this.name} may be`;
  }
}
