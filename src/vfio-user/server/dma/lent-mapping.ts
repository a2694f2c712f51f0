/**
 * A piece of the client's memory in this process: mapped whole, and lent in parts. Detaching a buffer stops JavaScript
 * only; a file read that is under way on another thread still writes to where it was. So what is lent is taken back either
 * by whoever holds it, or by laying memory of our own in its place, which stays until the buffers have been collected.
 */

import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_READ,
  PROT_WRITE,
} from "../../../system/constants.ts";
import { linux } from "../../../system/libc.ts";

/** A part that is lent. */
export interface Lent {
  readonly bytes: Uint8Array;
  /** Nobody uses it any more; `bytes` is empty from now on. */
  end(): void;
}

/** What becomes of a buffer that nobody has given back. It must not hold the buffer, or it would never happen. */
interface Leak {
  readonly forget: (reference: WeakRef<ArrayBuffer>) => void;
  readonly reference: WeakRef<ArrayBuffer>;
  readonly onLeaked: () => void;
}

const leaks = new FinalizationRegistry<Leak>(({ forget, reference, onLeaked }) => {
  forget(reference);
  onLeaked();
});

export class LentMapping {
  readonly size: number;
  readonly #address: bigint;
  /** For our own copies; V8 answers a large buffer with a garbage collection, so it is made when it is needed. */
  #buffer: ArrayBuffer | null = null;
  readonly #lent = new Set<WeakRef<ArrayBuffer>>();
  readonly #forget = (reference: WeakRef<ArrayBuffer>): void => {
    if (this.#lent.delete(reference)) this.#unmapIfUnused();
  };
  #closed = false;

  /** Maps `size` bytes of `fd` from `offset` on, which stays the caller's. @throws SystemCallError */
  constructor(fd: number, offset: number, size: number, writable: boolean) {
    const protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    this.size = size;
    this.#address = linux.mmap(0n, size, protection, MAP_SHARED, fd, offset);
  }

  /** `length` bytes from `offset` on, for a copy right now. */
  bytes(offset: number, length: number): Uint8Array {
    this.#buffer ??= linux.view(this.#address, this.size);
    return new Uint8Array(this.#buffer, offset, length);
  }

  /** @param onLeaked called when the buffer has been collected and `end` was not called */
  lend(offset: number, length: number, onLeaked: () => void): Lent {
    const buffer = linux.view(this.#address + BigInt(offset), length);
    const reference = new WeakRef(buffer);
    this.#lent.add(reference);
    leaks.register(buffer, { forget: this.#forget, reference, onLeaked }, reference);
    return {
      bytes: new Uint8Array(buffer),
      end: () => {
        if (!this.#lent.has(reference)) return;
        leaks.unregister(reference);
        if (!buffer.detached) linux.detach(buffer);
        this.#forget(reference);
      },
    };
  }

  /** Whether something is lent still. */
  get isLent(): boolean {
    return this.#lent.size > 0;
  }

  /**
   * Takes all back that is lent: memory of our own lies in its place from now on. What was lent need not be ended any more;
   * the addresses are free when its buffers have been collected.
   */
  revoke(): void {
    const flags = MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE;
    linux.mmap(this.#address, this.size, PROT_READ | PROT_WRITE, flags, -1, 0);
    for (const reference of this.#lent) {
      const buffer = reference.deref();
      if (buffer !== undefined && !buffer.detached) linux.detach(buffer);
    }
  }

  /** Gives it back, or does so when nothing of it is lent any more. */
  close(): void {
    this.#closed = true;
    if (this.#buffer !== null) linux.detach(this.#buffer);
    this.#buffer = null;
    this.#unmapIfUnused();
  }

  #unmapIfUnused(): void {
    if (this.#closed && this.#lent.size === 0) linux.munmap(this.#address, this.size);
  }
}
