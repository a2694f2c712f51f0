/** The right to touch a part of the client's memory, without a copy. */

import { requireBoolean, requireWhole } from "../../../arguments.ts";
import type { Entry } from "../../wire/range-table.ts";
import type { ClientMemory, ClientRange } from "./client-memory.ts";
import type { Part } from "./dma-log.ts";
import type { Lent, LentMapping } from "./lent-mapping.ts";

/**
 * A part of the client's memory, until `release`. While it is held, a client that takes the memory away waits, for a
 * second at most; then, and when the client is gone, it is taken back by force. From then on `bytes` is memory that is
 * nobody's, and reads 0 at first: what still uses it, on whatever thread, comes to no harm. A lease that nobody holds any
 * more is released when the garbage collector finds it, which may be late. Its buffer must not be transferred.
 */
export interface DmaLease {
  /** The memory itself. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /**
   * Says that bytes were written, for a client that asks which: `length` from `offset` on, all if left out. Needed only
   * where the lease was taken with `marksDirty`; otherwise all of it counts as written as long as it is held.
   *
   * @throws ERR_ARGUMENT outside the lease
   */
  markDirty(offset?: number, length?: number): void;
  /** Gives the memory back. A second call does nothing. */
  release(): void;
  [Symbol.dispose](): void;
}

export interface DmaViewOptions {
  /** Only what `markDirty` names counts as written: for memory that is held for long. False if left out. */
  readonly marksDirty?: boolean;
}

/** Lends `part`, which lies in the piece of `entry`. */
export function lend(
  memory: ClientMemory,
  entry: Entry<ClientRange>,
  mapping: LentMapping,
  part: Part,
  { marksDirty = false }: DmaViewOptions,
): DmaLease {
  requireBoolean("marksDirty", marksDirty);
  const { log, leases } = memory;
  const done = entry.use();
  // Nothing here holds the lease or its bytes: else they would never be collected.
  const over = (): void => {
    if (!leases.delete(borrowed)) return;
    log.returned(part);
    done();
  };
  const borrowed = { entry, revoke: over };
  leases.add(borrowed);
  if (!marksDirty) log.lent(part);
  const lent = mapping.lend(Number(part.iova - entry.piece.iova), part.length, over);
  return new Lease(lent, part, (iova, length) => leases.has(borrowed) && log.wrote(iova, length), over);
}

class Lease implements DmaLease {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #lent: Lent;
  readonly #part: Part;
  readonly #wrote: (iova: bigint, length: number) => void;
  readonly #over: () => void;

  constructor(lent: Lent, part: Part, wrote: (iova: bigint, length: number) => void, over: () => void) {
    this.bytes = lent.bytes;
    this.#lent = lent;
    this.#part = part;
    this.#wrote = wrote;
    this.#over = over;
  }

  markDirty(offset: number = 0, length: number = this.#part.length - offset): void {
    requireWhole("offset", offset, 0, this.#part.length);
    requireWhole("length", length, 0, this.#part.length - offset);
    if (length > 0) this.#wrote(this.#part.iova + BigInt(offset), length);
  }

  release(): void {
    this.#lent.end();
    this.#over();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}
