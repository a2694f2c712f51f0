/** The pieces of this process's memory that a device may reach, and what happens when its server asks for them. */

import { constants } from "node:os";
import type { DmaRange } from "../../device/transport/transport.ts";
import type { System } from "../../system/system.ts";
import { DeviceError } from "../wire/device-error.ts";
import { decodeExactly, decodeHead, invalid } from "../wire/payload.ts";
import { VFIO_USER_DMA_READ, VFIO_USER_DMA_REGION_ACCESS, VFIO_USER_DMA_WRITE } from "../wire/protocol.ts";
import { RangeTable } from "../wire/range-table.ts";
import { OWN_CAPABILITIES } from "../wire/version.ts";

const { EACCES, EFAULT, ENOSYS } = constants.errno;
const ACCESS = VFIO_USER_DMA_REGION_ACCESS;

interface Piece extends DmaRange {
  readonly buffer: ArrayBuffer;
}

export class DmaRanges {
  readonly #system: System;
  readonly #pieces = new RangeTable<Piece>(({ buffer }) => this.#system.detach(buffer));

  constructor(system: System) {
    this.#system = system;
  }

  get empty(): boolean {
    return this.#pieces.count === 0;
  }

  /** Whether nothing is mapped where this piece is to be. */
  isFree(range: DmaRange): boolean {
    return !this.#pieces.overlaps(range);
  }

  get count(): number {
    return this.#pieces.count;
  }

  add(range: DmaRange): void {
    this.#pieces.add({ ...range, buffer: this.#system.view(range.address, range.size) });
  }

  /**
   * Takes away all pieces that lie in `size` bytes from `iova` on. Nobody waits for their use: commands are carried out one
   * by one.
   *
   * @returns false where one reaches over an end: none is taken away then
   */
  remove(iova: bigint, size: number): boolean {
    if (this.#pieces.cuts(iova, BigInt(size))) return false;
    void this.#pieces.remove(iova, BigInt(size));
    return true;
  }

  clear(): void {
    void this.#pieces.clear();
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
    const entries = this.#pieces.covering(iova, bytes.length);
    if (entries === null) throw new DeviceError(EFAULT);
    if (!entries.every(({ piece }) => piece[direction])) throw new DeviceError(EACCES);
    let done = 0;
    for (const { piece } of entries) {
      const offset = Number(iova + BigInt(done) - piece.iova);
      const part = bytes.subarray(done, done + piece.size - offset);
      const memory = new Uint8Array(piece.buffer, offset, part.length);
      if (direction === "readable") part.set(memory);
      else memory.set(part);
      done += part.length;
    }
  }
}

function checkCount(count: bigint): void {
  if (count > BigInt(OWN_CAPABILITIES.max_data_xfer_size)) throw invalid();
}
