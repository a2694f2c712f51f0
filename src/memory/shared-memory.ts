/** Memory behind a file without a name, which other processes can map too: a device's own, or what it reaches by DMA. */

import { describeValue, unusable } from "../arguments.ts";
import { hugebarError, type HugebarError } from "../errors.ts";
import { roundUp } from "../layout/sizes.ts";
import { MAP_NORESERVE, MAP_SHARED, PROT_READ, PROT_WRITE } from "../system/constants.ts";
import { linux } from "../system/libc.ts";
import { ForeignMemory } from "./foreign-memory.ts";
import { createMemfd, sealForOthers } from "./memfd.ts";
import { SystemCallError } from "../system/system.ts";

/**
 * Sparse memory of any size: a page costs nothing before it is written. Its file cannot shrink or grow, so whoever maps
 * it need not fear SIGBUS.
 *
 * @example
 * const memory = new SharedMemory(256 * 2 ** 30);
 * const server = serveDevice({ regions: [{ index: 2, memory }] }, { socket: "/run/gpu.sock" });
 * memory.bytes(0x1000, 4).set([1, 2, 3, 4]);
 */
export class SharedMemory {
  /** Bytes. */
  readonly size: number;
  /** The file's descriptor, this object's own. */
  readonly fd: number;
  #memory: ForeignMemory | null = null;
  /** What `bytes` gives out: one buffer, so that asking often costs little. */
  #shared: ArrayBuffer | null = null;
  /** For our own copies, never given out. */
  #own: ArrayBuffer | null = null;
  #closed = false;

  /**
   * @param name what the kernel shows of it in /proc: `/memfd:NAME`
   * @throws ERR_ARGUMENT when `size` is no whole number of bytes from 1; ERR_SYSTEM when the kernel refuses.
   */
  constructor(size: number, name: string = "hugebar") {
    if (!Number.isSafeInteger(size) || size < 1) {
      const problem = "it must be a whole number of bytes, 1 or more";
      throw unusable("memory size", size, problem);
    }
    if (typeof name !== "string" || name.includes("\0")) {
      throw unusable("memory name", name, "it must be a string without a zero character");
    }
    this.size = size;
    this.fd = createMemfd(name, size, linux);
  }

  /** Where it stands in this process. @throws ERR_CLOSED, ERR_SYSTEM */
  get address(): bigint {
    return this.#map().address;
  }

  /**
   * `length` bytes from `offset` on, shared with everyone who has them mapped. From `close` on they are memory of their
   * own that nobody shares, and reads 0 at first: what still uses them, on whatever thread, comes to no harm. Their
   * buffer must not be transferred: copy what goes into a byte stream.
   *
   * @throws ERR_ACCESS_RANGE, ERR_CLOSED, ERR_SYSTEM
   */
  bytes(offset: number, length: number): Uint8Array<ArrayBuffer> {
    const memory = this.#map();
    this.#check(offset, length);
    if (this.#shared?.detached !== false) this.#shared = memory.view(0, this.size);
    return new Uint8Array(this.#shared, offset, length);
  }

  /** @internal Copies from `offset` on into `target`. @throws as `bytes` */
  copyOut(offset: number, target: Uint8Array): void {
    target.set(this.#ownBytes(offset, target.length));
  }

  /** @internal Copies `source` to `offset`. @throws as `bytes` */
  copyIn(offset: number, source: Uint8Array): void {
    this.#ownBytes(offset, source.length).set(source);
  }

  /**
   * Gives it up. Others keep what they have mapped; a device that reaches it by DMA does so until it is unmapped. A second
   * call does nothing.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#own !== null) linux.detach(this.#own);
    this.#shared = null;
    if (this.#memory === null) linux.close(this.fd);
    else this.#memory.close(() => linux.close(this.fd));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * To be called before others get its descriptor: they cannot seal it from now on, nor, with `readOnly`, write it.
   *
   * @internal
   * @returns false where others may write it already
   * @throws ERR_SYSTEM where the kernel refuses: before Linux 5.1 it knows no such seal
   */
  share(readOnly: boolean): boolean {
    // Our own mapping comes first: a seal spares those that exist.
    if (readOnly) this.#map();
    try {
      return sealForOthers(this.fd, readOnly, linux);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      throw hugebarError("ERR_SYSTEM", { action: "seal shared memory", problem: error.message }, error);
    }
  }

  /**
   * Keeps the memory where it stands, closed or not, until the result is called.
   *
   * @internal
   */
  hold(): () => void {
    return this.#map().hold();
  }

  #map(): ForeignMemory {
    if (this.#closed) throw hugebarError("ERR_CLOSED", { what: "shared memory" });
    this.#memory ??= mapWhole(this.fd, this.size);
    return this.#memory;
  }

  #ownBytes(offset: number, length: number): Uint8Array {
    const memory = this.#map();
    this.#check(offset, length);
    this.#own ??= linux.view(memory.address, this.size);
    return new Uint8Array(this.#own, offset, length);
  }

  #check(offset: number, length: number): void {
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) {
      throw outside(offset, length, "offset and length must be whole numbers from 0");
    }
    if (offset + length > this.size) throw outside(offset, length, `it has ${this.size} bytes`);
  }
}

function mapWhole(fd: number, size: number): ForeignMemory {
  try {
    const address = linux.mmap(0n, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    return new ForeignMemory(address, roundUp(size, linux.pageSize), linux);
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    const action = `map ${size} bytes of shared memory`;
    throw hugebarError("ERR_SYSTEM", { action, problem: error.message }, error);
  }
}

function outside(offset: number, length: number, problem: string): HugebarError {
  const access = `take ${describeValue(length)} bytes at ${describeValue(offset)}`;
  return hugebarError("ERR_ACCESS_RANGE", { access, target: "shared memory", problem });
}
