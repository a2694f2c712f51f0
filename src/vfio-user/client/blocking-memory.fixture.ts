/** For tests: the client's memory as the blocking device knows it, with the checks and answers of libvfio-user. */

import { constants } from "node:os";
import { linux } from "../../system/libc.ts";
import type { Answer } from "./blocking-server.fixture.ts";
import { DeviceError } from "../wire/device-error.ts";
import { invalid } from "../wire/payload.ts";
import { VFIO_USER_DMA_MAP_REQUEST, VFIO_USER_DMA_UNMAP_REQUEST } from "../wire/protocol.ts";

interface Piece {
  readonly size: bigint;
  readonly fd: number | null;
  readonly offset: number;
}

export class BlockingMemory {
  readonly #pieces = new Map<bigint, Piece>();

  /** VFIO_USER_DMA_MAP */
  map(payload: Uint8Array, descriptors: number[]): Answer {
    if (payload.length < VFIO_USER_DMA_MAP_REQUEST.size) throw invalid();
    const { argsz, addr, size, offset } = VFIO_USER_DMA_MAP_REQUEST.decode(payload);
    if (argsz < VFIO_USER_DMA_MAP_REQUEST.size || this.#pieces.has(addr)) throw invalid();
    this.#pieces.set(addr, { size, fd: descriptors.shift() ?? null, offset: Number(offset) });
    return {};
  }

  /** VFIO_USER_DMA_UNMAP */
  unmap(payload: Uint8Array): Answer {
    if (payload.length < VFIO_USER_DMA_UNMAP_REQUEST.size) throw invalid();
    const { addr, size } = VFIO_USER_DMA_UNMAP_REQUEST.decode(payload);
    const piece = this.#pieces.get(addr);
    if (piece?.size !== size) throw new DeviceError(constants.errno.ENOENT);
    if (piece.fd !== null) linux.close(piece.fd);
    this.#pieces.delete(addr);
    return { payload };
  }

  /** Whether a file that was passed along has these bytes at this address. */
  holds(iova: bigint, bytes: Uint8Array): boolean {
    for (const [start, { size, fd, offset }] of this.#pieces) {
      if (iova < start || iova + BigInt(bytes.length) > start + size || fd === null) continue;
      const inFile = new Uint8Array(bytes.length);
      linux.pread(fd, inFile, offset + Number(iova - start));
      return Buffer.compare(inFile, bytes) === 0;
    }
    return false;
  }

  /** The client is gone. */
  forget(): void {
    for (const { fd } of this.#pieces.values()) if (fd !== null) linux.close(fd);
    this.#pieces.clear();
  }
}
