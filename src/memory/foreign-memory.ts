/**
 * The owner of foreign memory: who may touch it, and how it goes without harm to those who still do.
 *
 * A job on another thread (a compression, a file's read, `crypto.randomFill`) keeps the address of a buffer and nothing
 * else, so detaching the buffer does not stop it, and makes some of Node's jobs end the process: zlib takes up its input
 * again at each piece of output, and throws past its callback where it finds it empty. So nothing is detached. When the
 * owner closes, harmless memory takes the place of what was there, and the address space goes back when the collector
 * has taken every buffer that was given out: each of Node's interfaces keeps the buffer itself for as long as it uses the
 * memory (jobs.fixture.ts). Only one that was carried off into another says nothing by its end: before the end it is looked
 * for in `#carriedOff`, and after it in until-collected.ts.
 */

import { cover } from "./cover.ts";
import { guardBuffer } from "./guarded-buffer.ts";
import { untilCollected } from "./until-collected.ts";
import { giveBack, holdBack, keepForGood, type HeldRange } from "./waiting-memory.ts";
import type { System } from "../system/system.ts";

/** The right to touch memory that stays what it is for so long. */
export interface Lease {
  /** The memory itself, without a copy. */
  readonly buffer: ArrayBuffer;
  /** Ends it. A second call does nothing; a lease that the collector takes, buffer and all, has ended too. */
  release(): void;
}

const collected = new FinalizationRegistry<() => void>((report) => {
  report();
});

/** Of how many buffers is known at the end whether they were carried off. */
const MOST_WATCHED = 1024;

/** One piece of this process's address space, mapped to memory that is not JavaScript's. */
export class ForeignMemory implements HeldRange {
  readonly address: bigint;
  /** Bytes, whole pages. */
  readonly size: number;
  readonly system: System;
  /** The buffers of leases that the collector has not taken. */
  readonly #lent = new Set<WeakRef<ArrayBuffer>>();
  /** Held strongly until the end, by offset and length: a buffer that is found empty then was carried off. */
  readonly #watched = new Map<string, ArrayBuffer>();
  /** Something is or may be carried off, for good: a buffer found empty, or one that went unwatched. */
  #lost = false;
  #leases = 0;
  #state: "open" | "closing" | "closed" = "open";
  #onGone: () => void = () => {};

  constructor(address: bigint, size: number, system: System) {
    this.address = address;
    this.size = size;
    this.system = system;
  }

  /** Whether a buffer over it may be in use, here or on another thread. */
  get inUse(): boolean {
    return this.#carriedOff() || this.#watched.size > 0 || this.#lent.size > 0;
  }

  /**
   * A buffer over `length` bytes from `offset`, the same one for the same range. From `close` on it is harmless memory that
   * has nothing to do with what was there. It must not be transferred.
   */
  view(offset: number, length: number): ArrayBuffer {
    const key = `${offset}+${length}`;
    const known = this.#watched.get(key);
    if (known?.detached === false) return known;
    if (known !== undefined) this.#lost = true;
    const buffer = this.#over(offset, length);
    if (length === 0) return buffer;
    if (known !== undefined || this.#watched.size < MOST_WATCHED) this.#watched.set(key, buffer);
    else this.#lost = true;
    return buffer;
  }

  /** A buffer over `length` bytes from `offset`, which stay what they are until the lease ends. */
  lease(offset: number, length: number): Lease {
    const buffer = this.#over(offset, length);
    this.#watchWeakly(buffer);
    const release = this.hold();
    this.#endWhenLeaked(buffer, release);
    return {
      buffer,
      release: () => {
        collected.unregister(release);
        this.#lost ||= buffer.detached;
        release();
      },
    };
  }

  /** A lease for one who has no buffer, a device for example; ends when the result is called. */
  hold(): () => void {
    this.#leases += 1;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#leases -= 1;
      if (this.#state === "closing") this.#end();
    };
  }

  /** Puts harmless memory in its place where a buffer may be in use. @returns whether it had to, and could */
  cover(): boolean {
    return this.inUse && cover(this.address, this.size, this.system);
  }

  /**
   * Gives it up at once, leases or not. To be called once.
   *
   * @returns true where no buffer is in use, and the caller is to unmap it; otherwise it unmaps itself in time
   */
  retire(): boolean {
    this.#state = "closed";
    if (!this.inUse) return true;
    this.cover();
    if (this.#lost) keepForGood(this);
    else this.#wait();
    this.#watched.clear();
    return false;
  }

  /**
   * Gives it up when the last lease has ended, and unmaps it when no buffer is in use.
   *
   * @param onGone called when nothing reaches what was mapped any more, perhaps before this returns
   */
  close(onGone: () => void = () => {}): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#onGone = onGone;
    this.#end();
  }

  #end(): void {
    if (this.#leases > 0) return;
    if (this.retire()) giveBack(this);
    this.#onGone();
  }

  /** A function of its own: what the collector reports to must not hold what is collected. */
  #endWhenLeaked(buffer: ArrayBuffer, release: () => void): void {
    const leaked = (): void => {
      // Where its buffer went before, nobody knows.
      this.#lost = true;
      release();
    };
    collected.register(buffer, leaked, release);
  }

  #over(offset: number, length: number): ArrayBuffer {
    return guardBuffer(this.system.view(this.address + BigInt(offset), length));
  }

  #watchWeakly(buffer: ArrayBuffer): void {
    if (buffer.byteLength === 0) return;
    const weak = new WeakRef(buffer);
    this.#lent.add(weak);
    collected.register(buffer, ForeignMemory.#forgets(this.#lent, weak));
  }

  /** A function of its own: the registry would hold an owner that was forgotten, and its buffers with it. */
  static #forgets(lent: Set<WeakRef<ArrayBuffer>>, weak: WeakRef<ArrayBuffer>): () => void {
    return () => void lent.delete(weak);
  }

  /** Until no buffer is in use any more: the address space goes back then. */
  #wait(): void {
    holdBack(this);
    const lent = [...this.#lent].flatMap((weak) => weak.deref() ?? []);
    untilCollected([...this.#watched.values(), ...lent], (carriedOff) => {
      if (carriedOff) keepForGood(this);
      else giveBack(this);
    });
  }

  /**
   * Whether a buffer was carried off: what it was carried into is unknown, and says nothing when it is collected. A buffer
   * that was not watched may have been, and is gone without a trace.
   */
  #carriedOff(): boolean {
    this.#lost ||= [...this.#watched.values()].some((buffer) => buffer.detached);
    return this.#lost;
  }
}
