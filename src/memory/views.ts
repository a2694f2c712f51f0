/** The buffers handed out over one piece of memory: remembered, so that they can be detached before it is unmapped. */

import { hugebarError } from "../errors.ts";
import type { System } from "../system/system.ts";

/** How many are held strongly, and how many weakly before the collected ones are dropped from the list. */
const STRONG = 256;
const SWEEP_FROM = 1024;

/** An own `transfer` throws: the buffer that a transfer makes would be unknown here, and outlive the mapping. */
const CANNOT_TRANSFER: PropertyDescriptor = {
  value(): never {
    throw hugebarError("ERR_NOT_SUPPORTED", {
      action: "transfer a view of device memory",
      problem: "it belongs to its mapping; copy it with slice()",
    });
  },
};
const GUARDS = { transfer: CANNOT_TRANSFER, transferToFixedLength: CANNOT_TRANSFER };

export class Views {
  readonly #system: System;
  /**
   * The newest, held strongly: one that was carried off all the same, by `ArrayBuffer.prototype.transfer` (as byte
   * streams do), still tells when the memory is about to go, even if nobody else holds it any more.
   */
  #newest: ArrayBuffer[] = [];
  #older: WeakRef<ArrayBuffer>[] = [];
  #sweepAt = SWEEP_FROM;
  #carriedOff = false;

  constructor(system: System) {
    this.#system = system;
  }

  /** A buffer over `length` bytes at `address`, from now on remembered. */
  add(address: bigint, length: number): ArrayBuffer {
    const view = this.#system.view(address, length);
    Object.defineProperties(view, GUARDS);
    if (this.#newest.length === STRONG) this.#age();
    this.#newest.push(view);
    return view;
  }

  /**
   * Detaches every buffer there is.
   *
   * @returns whether nothing can reach the memory any more. Once a buffer was carried off, something can.
   */
  detach(): boolean {
    this.#age();
    for (const reference of this.#older) {
      const view = reference.deref();
      if (view !== undefined) this.#detachOne(view);
    }
    this.#older = [];
    this.#sweepAt = SWEEP_FROM;
    return !this.#carriedOff;
  }

  #detachOne(view: ArrayBuffer): void {
    try {
      this.#system.detach(view);
    } catch {
      this.#carriedOff = true; // worker_threads.markAsUntransferable forbids it for ever
    }
  }

  #age(): void {
    for (const view of this.#newest) {
      if (view.detached) this.#carriedOff = true;
      else this.#older.push(new WeakRef(view));
    }
    this.#newest = [];
    if (this.#older.length < this.#sweepAt) return;
    this.#older = this.#older.filter((reference) => reference.deref() !== undefined);
    this.#sweepAt = Math.max(SWEEP_FROM, 2 * this.#older.length);
  }
}
