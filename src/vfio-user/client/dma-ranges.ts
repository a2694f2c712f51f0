/** The pieces of this process's memory that a device may reach, and what happens when its server asks for them. */

import { constants } from "node:os";
import type { DmaRange } from "../../device/transport.ts";
import type { System } from "../../system/system.ts";
import { DeviceError } from "../wire/device-error.ts";
import { decodeExactly, decodeHead, invalid } from "../wire/payload.ts";
import { VFIO_USER_DMA_READ, VFIO_USER_DMA_REGION_ACCESS, VFIO_USER_DMA_WRITE } from "../wire/protocol.ts";
import { OWN_CAPABILITIES } from "../wire/version.ts";

const { EACCES, EFAULT, ENOSYS } = constants.errno;
const ACCESS = VFIO_USER_DMA_REGION_ACCESS;

interface Piece {
  readonly range: DmaRange;
  readonly buffer: ArrayBuffer;
}

export class DmaRanges {
  readonly #system: System;
  readonly #pieces = new Map<bigint, Piece>();

  constructor(system: System) {
    this.#system = system;
  }

  get empty(): boolean {
    return this.#pieces.size === 0;
  }

  get count(): number {
    return this.#pieces.size;
  }

  add(range: DmaRange): void {
    this.#pieces.set(range.iova, { range, buffer: this.#system.view(range.address, range.size) });
  }

  has(iova: bigint): boolean {
    return this.#pieces.has(iova);
  }

  remove(iova: bigint): void {
    const piece = this.#pieces.get(iova);
    if (piece === undefined) return;
    this.#pieces.delete(iova);
    this.#system.detach(piece.buffer);
  }

  /** Takes away all pieces that lie in `size` bytes from `iova` on. */
  removeWithin(iova: bigint, size: number): void {
    const end = iova + BigInt(size);
    for (const { range } of this.#pieces.values()) {
      if (range.iova >= iova && range.iova + BigInt(range.size) <= end) this.remove(range.iova);
    }
  }

  clear(): void {
    for (const iova of this.#pieces.keys()) this.remove(iova);
  }

  /** Carries out a command of the server's; returns the reply's payload. */
  handle(command: number, payload: Uint8Array): Uint8Array {
    switch (command) {
      case VFIO_USER_DMA_READ:
        return this.#read(payload);
      case VFIO_USER_DMA_WRITE:
        return this.#write(payload);
      default:
        throw new DeviceError(ENOSYS);
    }
  }

  #read(payload: Uint8Array): Uint8Array {
    const { addr, count } = decodeExactly(ACCESS, payload);
    checkCount(count);
    const reply = ACCESS.encode({ addr, count }, Number(count));
    this.#copy(addr, reply.subarray(ACCESS.size), "readable");
    return reply;
  }

  #write(payload: Uint8Array): Uint8Array {
    const { addr, count } = decodeHead(ACCESS, payload);
    checkCount(count);
    if (payload.length !== ACCESS.size + Number(count)) throw invalid();
    this.#copy(addr, payload.subarray(ACCESS.size), "writable");
    return ACCESS.encode({ addr, count });
  }

  /** Copies between `bytes` and the memory at `iova`, which may run over several pieces that touch. */
  #copy(iova: bigint, bytes: Uint8Array, direction: "readable" | "writable"): void {
    const parts: [memory: Uint8Array, part: Uint8Array][] = [];
    for (let done = 0; done < bytes.length;) {
      const at = iova + BigInt(done);
      const { range, buffer } = this.#find(at);
      if (!range[direction]) throw new DeviceError(EACCES);
      const offset = Number(at - range.iova);
      const length = Math.min(bytes.length - done, range.size - offset);
      parts.push([new Uint8Array(buffer, offset, length), bytes.subarray(done, done + length)]);
      done += length;
    }
    for (const [memory, part] of parts) {
      if (direction === "readable") part.set(memory);
      else memory.set(part);
    }
  }

  #find(iova: bigint): Piece {
    for (const piece of this.#pieces.values()) {
      const { range } = piece;
      if (range.iova <= iova && iova < range.iova + BigInt(range.size)) return piece;
    }
    throw new DeviceError(EFAULT);
  }
}

function checkCount(count: bigint): void {
  if (count > BigInt(OWN_CAPABILITIES.max_data_xfer_size)) throw invalid();
}
