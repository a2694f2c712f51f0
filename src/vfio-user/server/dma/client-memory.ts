/**
 * The client's memory as the device sees it: pieces of the DMA address space that the client has mapped, and how to
 * reach each of them.
 */

import { fstatSync } from "node:fs";
import { constants } from "node:os";
import { MAP_SHARED, PROT_READ, PROT_WRITE } from "../../../system/constants.ts";
import { linux } from "../../../system/libc.ts";
import { sealAgainstShrinking } from "../../../memory/memfd.ts";
import { DeviceError } from "../../wire/device-error.ts";
import { DmaLog } from "./dma-log.ts";
import { OWN_CAPABILITIES } from "../../wire/version.ts";

const { EEXIST, EINVAL, ENOSPC } = constants.errno;
const PAGE = OWN_CAPABILITIES.pgsizes;
const ADDRESS_SPACE = 1n << 64n;

/**
 * How a piece is reached. `mapped`: in this process's own memory, because its file is sealed against shrinking. `file`:
 * by pread and pwrite, because a file that shrinks would kill us (SIGBUS) at an access to a mapping of it. `messages`:
 * by asking the client.
 */
export type Reach =
  | { readonly by: "mapped"; readonly address: bigint; readonly buffer: ArrayBuffer }
  | { readonly by: "file"; readonly fd: number; readonly offset: number }
  | { readonly by: "messages" };

export interface ClientRange {
  readonly iova: bigint;
  /** Bytes. */
  readonly size: number;
  readonly readable: boolean;
  readonly writable: boolean;
  readonly reach: Reach;
}

export interface MapRequest {
  readonly iova: bigint;
  readonly size: bigint;
  readonly offset: bigint;
  readonly readable: boolean;
  readonly writable: boolean;
}

export class ClientMemory {
  /** Where the device has written to. */
  readonly log = new DmaLog();
  /** Sorted by address; they never overlap. */
  #ranges: ClientRange[] = [];

  /** Maps a piece. `fd`, the file behind it, becomes ours when this returns. */
  map(request: MapRequest, fd: number | null): void {
    const { iova, size, readable, writable } = request;
    const end = iova + size;
    if (size === 0n || end > ADDRESS_SPACE || size > BigInt(Number.MAX_SAFE_INTEGER))
      throw new DeviceError(EINVAL);
    if (iova % BigInt(PAGE) !== 0n || size % BigInt(PAGE) !== 0n) throw new DeviceError(EINVAL);
    if (this.#ranges.length >= OWN_CAPABILITIES.max_dma_maps) throw new DeviceError(ENOSPC);
    const at = this.#firstBehind(iova);
    const next = this.#ranges[at];
    if (next !== undefined && next.iova < end) throw new DeviceError(EEXIST);
    const reach = fd === null ? messagesOnly(request) : reachFile(request, fd);
    this.#ranges.splice(at, 0, { iova, size: Number(size), readable, writable, reach });
  }

  /**
   * Takes away all pieces from `iova` on that lie in `size` bytes; none is right too, and one that reaches over an end is
   * not (vfio_dma_do_unmap in drivers/vfio/vfio_iommu_type1.c). With an IOMMU in its guest, QEMU unmaps whole address
   * spaces without a look at what is mapped there.
   */
  unmap(iova: bigint, size: bigint): void {
    const end = iova + size;
    if (size === 0n || end > ADDRESS_SPACE) throw new DeviceError(EINVAL);
    const first = this.#firstBehind(iova);
    // A piece that ends where the range does is the last one inside.
    const behind = this.#firstBehind(end - 1n);
    const last = this.#ranges[behind];
    const count = behind - first + (last !== undefined && last.iova < end ? 1 : 0);
    const inside = this.#ranges.slice(first, first + count);
    if (!inside.every((range) => range.iova >= iova && range.iova + BigInt(range.size) <= end))
      throw new DeviceError(EINVAL);
    this.#ranges.splice(first, count);
    for (const range of inside) this.#release(range);
  }

  clear(): void {
    for (const range of this.#ranges.splice(0)) this.#release(range);
  }

  #release(range: ClientRange): void {
    this.log.returned(range.iova, range.size);
    release(range);
  }

  /** The piece that holds `iova`, if any. */
  find(iova: bigint): ClientRange | undefined {
    const range = this.#ranges[this.#firstBehind(iova)];
    return range !== undefined && range.iova <= iova ? range : undefined;
  }

  /** The index of the first piece that ends behind `iova`. */
  #firstBehind(iova: bigint): number {
    let low = 0;
    for (let high = this.#ranges.length; low < high;) {
      const middle = (low + high) >>> 1;
      const range = this.#ranges[middle];
      if (range !== undefined && range.iova + BigInt(range.size) <= iova) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function messagesOnly({ offset }: MapRequest): Reach {
  if (offset !== 0n) throw new DeviceError(EINVAL);
  return { by: "messages" };
}

function reachFile({ size, offset, writable }: MapRequest, fd: number): Reach {
  const sealed = sealAgainstShrinking(fd, linux);
  const file = fstatSync(fd, { bigint: true });
  if (!file.isFile() || offset + size > file.size || offset % BigInt(linux.pageSize) !== 0n) {
    throw new DeviceError(EINVAL);
  }
  if (!sealed) return { by: "file", fd, offset: Number(offset) };
  const protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  const address = linux.mmap(0n, Number(size), protection, MAP_SHARED, fd, Number(offset));
  linux.close(fd);
  return { by: "mapped", address, buffer: linux.view(address, Number(size)) };
}

function release({ reach, size }: ClientRange): void {
  if (reach.by === "file") linux.close(reach.fd);
  if (reach.by !== "mapped") return;
  linux.detach(reach.buffer);
  linux.munmap(reach.address, size);
}
