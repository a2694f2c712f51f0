/**
 * The pieces of a DMA address space, for both sides: which one holds an address, and who still uses it. A piece that is
 * taken away cannot be found any more at once, and is given back when its last user is done.
 */

import { constants } from "node:os";
import { DeviceError } from "./device-error.ts";

const { EEXIST, EINVAL } = constants.errno;

export interface Range {
  readonly iova: bigint;
  /** Bytes, one at least. */
  readonly size: number;
}

/** A piece in the table. */
export class Entry<Piece extends Range> {
  readonly piece: Piece;
  readonly #release: (piece: Piece) => void;
  #users = 0;
  #taken: PromiseWithResolvers<void> | null = null;

  /** @internal */
  constructor(piece: Piece, release: (piece: Piece) => void) {
    this.piece = piece;
    this.#release = release;
  }

  /** It is not in the table any more, and somebody still uses it. */
  get taken(): boolean {
    return this.#taken !== null;
  }

  /** Keeps the piece from being given back until the result is called. */
  use(): () => void {
    this.#users += 1;
    let done = false;
    return () => {
      if (done) return;
      done = true;
      this.#users -= 1;
      if (this.#users === 0 && this.#taken !== null) this.#giveBack(this.#taken);
    };
  }

  /** @internal Gives it back now, or when its last user is done; null or a promise accordingly. */
  take(): Promise<void> | null {
    if (this.#users === 0) {
      this.#release(this.piece);
      return null;
    }
    this.#taken = Promise.withResolvers();
    return this.#taken.promise;
  }

  #giveBack({ resolve, reject }: PromiseWithResolvers<void>): void {
    try {
      this.#release(this.piece);
      resolve();
    } catch (error) {
      reject(error);
    }
  }
}

export class RangeTable<Piece extends Range> {
  readonly #release: (piece: Piece) => void;
  /** Sorted by address; they never overlap. */
  #entries: Entry<Piece>[] = [];

  /** @param release gives a piece back, once nobody finds or uses it any more */
  constructor(release: (piece: Piece) => void) {
    this.#release = release;
  }

  get count(): number {
    return this.#entries.length;
  }

  /** Whether a piece holds a part of it. */
  overlaps({ iova, size }: Range): boolean {
    const next = this.#entries[this.#firstBehind(iova)];
    return next !== undefined && next.piece.iova < iova + BigInt(size);
  }

  /** @throws DeviceError EEXIST where a piece holds a part of it. */
  add(piece: Piece): void {
    if (this.overlaps(piece)) throw new DeviceError(EEXIST);
    this.#entries.splice(this.#firstBehind(piece.iova), 0, new Entry(piece, this.#release));
  }

  /** The piece that holds `iova`, if any. */
  find(iova: bigint): Entry<Piece> | undefined {
    const entry = this.#entries[this.#firstBehind(iova)];
    return entry !== undefined && entry.piece.iova <= iova ? entry : undefined;
  }

  /**
   * The pieces that hold `size` bytes from `iova` on, one behind the other; null where one is missing. None, for no
   * bytes.
   */
  covering(iova: bigint, size: number): Entry<Piece>[] | null {
    const found: Entry<Piece>[] = [];
    const end = iova + BigInt(size);
    let at = iova;
    for (let index = this.#firstBehind(iova); at < end; index += 1) {
      const entry = this.#entries[index];
      if (entry === undefined || entry.piece.iova > at) return null;
      found.push(entry);
      at = entry.piece.iova + BigInt(entry.piece.size);
    }
    return found;
  }

  /**
   * Takes away all pieces that lie in `size` bytes from `iova` on, be there none; null where nobody used them, else what
   * resolves when the last user is done.
   *
   * @throws DeviceError EINVAL where one reaches over an end: none is taken then.
   */
  remove(iova: bigint, size: bigint): Promise<void> | null {
    const [first, behind] = this.#within(iova, size);
    return takeAll(this.#entries.splice(first, behind - first));
  }

  /** The pieces that `remove` would take away. @throws DeviceError as it does */
  within(iova: bigint, size: bigint): Piece[] {
    return this.#entries.slice(...this.#within(iova, size)).map(({ piece }) => piece);
  }

  /** The numbers of the first of them, and of the first behind them. */
  #within(iova: bigint, size: bigint): [number, number] {
    if (this.cuts(iova, size)) throw new DeviceError(EINVAL);
    // None is cut: those that end at the last byte, or before it, are the ones.
    return [this.#firstBehind(iova), this.#firstBehind(iova + size)];
  }

  /** Whether an end of `size` bytes from `iova` on lies inside a piece. */
  cuts(iova: bigint, size: bigint): boolean {
    const inside = (at: bigint): boolean => {
      const piece = this.find(at)?.piece;
      return piece !== undefined && piece.iova < at;
    };
    return inside(iova) || inside(iova + size);
  }

  /** Takes all away, as `remove` does. */
  clear(): Promise<void> | null {
    return takeAll(this.#entries.splice(0));
  }

  /** The index of the first piece that ends behind `iova`. */
  #firstBehind(iova: bigint): number {
    let low = 0;
    for (let high = this.#entries.length; low < high;) {
      const middle = (low + high) >>> 1;
      const piece = this.#entries[middle]?.piece;
      if (piece !== undefined && piece.iova + BigInt(piece.size) <= iova) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** All of them, though one could not be given back: what that threw is thrown at the end. */
function takeAll(entries: readonly { take(): Promise<void> | null }[]): Promise<void> | null {
  const used: Promise<void>[] = [];
  const failures: unknown[] = [];
  for (const entry of entries) {
    try {
      const later = entry.take();
      if (later !== null) used.push(later);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return used.length === 0 ? null : allOf(used);
}

async function allOf(promises: readonly Promise<void>[]): Promise<void> {
  await Promise.all(promises);
}
