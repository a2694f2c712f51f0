/** Memory of a device: a file without a name (memfd) that clients map, and that the device itself sees as bytes. */

import { hugebarError } from "../errors.ts";
import {
  F_ADD_SEALS,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  MAP_NORESERVE,
  MAP_SHARED,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  PROT_READ,
  PROT_WRITE,
} from "../memory/constants.ts";
import { linux } from "../memory/libc.ts";
import { SystemCallError } from "../memory/system.ts";

/**
 * Sparse memory of any size: a page costs nothing before it is written. Its file cannot shrink or grow, so a client
 * that maps it need not fear SIGBUS.
 *
 * @example
 * const memory = new DeviceMemory(256 * 2 ** 30);
 * const server = serveDevice({ regions: [{ index: 2, memory }] }, { socket: "/run/gpu.sock" });
 * memory.bytes(0x1000, 4).set([1, 2, 3, 4]);
 */
export class DeviceMemory {
  /** Bytes. */
  readonly size: number;
  readonly fd: number;
  #mapping: { readonly address: bigint; readonly buffer: ArrayBuffer } | null = null;
  #closed = false;

  /** @throws ERR_ARGUMENT when `size` is no whole number of bytes from 1; ERR_SYSTEM when the kernel refuses. */
  constructor(size: number) {
    if (!Number.isSafeInteger(size) || size < 1) {
      const problem = "it must be a whole number of bytes, 1 or more";
      throw hugebarError("ERR_ARGUMENT", { what: `memory size ${size}`, problem });
    }
    this.size = size;
    this.fd = createSealed(size);
  }

  /**
   * `length` bytes from `offset` on, shared with every client that has them mapped. Empty after `close`.
   *
   * @throws ERR_ACCESS_RANGE, ERR_CLOSED, ERR_SYSTEM
   */
  bytes(offset: number, length: number): Uint8Array {
    if (this.#closed) throw hugebarError("ERR_CLOSED", { what: "device memory" });
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) {
      throw this.#outside(offset, length, "offset and length must be whole numbers from 0");
    }
    if (offset + length > this.size) throw this.#outside(offset, length, `it has ${this.size} bytes`);
    this.#mapping ??= mapWhole(this.fd, this.size);
    return new Uint8Array(this.#mapping.buffer, offset, length);
  }

  /** Unmaps and closes it; clients keep what they have mapped. A second call does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#mapping !== null) {
      linux.detach(this.#mapping.buffer);
      linux.munmap(this.#mapping.address, this.size);
    }
    linux.close(this.fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #outside(offset: number, length: number, problem: string) {
    const access = `take ${length} bytes at ${offset}`;
    return hugebarError("ERR_ACCESS_RANGE", { access, target: "device memory", problem });
  }
}

function createSealed(size: number): number {
  const action = `make ${size} bytes of device memory`;
  return translated(action, () => {
    const fd = linux.memfd_create("hugebar-device", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    try {
      linux.ftruncate(fd, size);
      linux.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
      return fd;
    } catch (error) {
      linux.close(fd);
      throw error;
    }
  });
}

function mapWhole(fd: number, size: number) {
  return translated(`map ${size} bytes of device memory`, () => {
    const address = linux.mmap(0n, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    return { address, buffer: linux.view(address, size) };
  });
}

function translated<Result>(action: string, call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    throw hugebarError("ERR_SYSTEM", { action, problem: error.message }, error);
  }
}
