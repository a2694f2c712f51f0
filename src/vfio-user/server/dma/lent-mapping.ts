/** A piece of the client's memory in this process: mapped whole, and lent in parts. */

import { roundUp } from "../../../layout/sizes.ts";
import { ForeignMemory } from "../../../memory/foreign-memory.ts";
import { giveBack } from "../../../memory/waiting-memory.ts";
import { MAP_SHARED, PROT_READ, PROT_WRITE } from "../../../system/constants.ts";
import { linux } from "../../../system/libc.ts";

/** A part that is lent. */
export interface Lent {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Nobody uses it any more. */
  end(): void;
}

/** Buffers that nobody gave back and nobody can reach: what is to be done then. It must not hold the buffer. */
const leaks = new FinalizationRegistry<() => void>((onLeaked) => onLeaked());

export class LentMapping {
  readonly #memory: ForeignMemory;
  /** For our own copies, never given out. V8 answers a large buffer with a garbage collection: made when needed. */
  #own: ArrayBuffer | null = null;
  #revoked = false;

  /** Maps `size` bytes of `fd` from `offset` on, which stays the caller's. @throws SystemCallError */
  constructor(fd: number, offset: number, size: number, writable: boolean) {
    const protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    const address = linux.mmap(0n, size, protection, MAP_SHARED, fd, offset);
    this.#memory = new ForeignMemory(address, roundUp(size, linux.pageSize), linux);
  }

  /** `length` bytes from `offset` on, for a copy right now. */
  bytes(offset: number, length: number): Uint8Array {
    this.#own ??= linux.view(this.#memory.address, this.#memory.size);
    return new Uint8Array(this.#own, offset, length);
  }

  /** @param onLeaked called when the buffer has been collected and `end` was not called; it must not hold the buffer */
  lend(offset: number, length: number, onLeaked: () => void): Lent {
    const lease = this.#memory.lease(offset, length);
    leaks.register(lease.buffer, onLeaked, onLeaked);
    return {
      bytes: new Uint8Array(lease.buffer),
      end: () => {
        leaks.unregister(onLeaked);
        lease.release();
      },
    };
  }

  /** Takes all back that is lent: harmless memory lies in its place from now on. */
  revoke(): void {
    if (this.#revoked) return;
    this.#revoked = true;
    if (this.#memory.retire()) giveBack(this.#memory);
  }

  /** Gives it back, when nobody uses a part of it any more. */
  close(): void {
    if (this.#own !== null) linux.detach(this.#own);
    this.#own = null;
    if (!this.#revoked) this.#memory.close();
  }
}
