/** Which of the client's pages the device has written to: what a client asks while it copies its memory elsewhere. */

import { PAGE_SIZE, PageSet } from "./page-set.ts";

export class DmaLog {
  #logging = false;
  readonly #written = new PageSet();
  /** Pages of views that were given out: nobody tells when those are written to, so they count as written each time. */
  readonly #lent = new PageSet();

  get logging(): boolean {
    return this.#logging;
  }

  /** Forgets nothing when it has been started before. */
  start(): void {
    this.#logging = true;
  }

  stop(): void {
    this.#logging = false;
    this.#written.clear();
  }

  /** The device has written `length` bytes at `iova`. */
  wrote(iova: bigint, length: number): void {
    if (this.#logging) this.#written.add(iova, length);
  }

  /** The device may write `length` bytes at `iova` whenever it likes, from now on. */
  lent(iova: bigint, length: number): void {
    this.#lent.add(iova, length);
  }

  /** The client takes that memory back: no view reaches it any more. */
  returned(iova: bigint, length: number): void {
    this.#lent.remove(iova, BigInt(length));
  }

  /**
   * What was written in `length` bytes from `iova` on since the last report: a bitmap of pages of `pageSize`, as long as
   * `bitmapSize` says.
   */
  report(iova: bigint, length: bigint, pageSize: bigint, bitmap: Uint8Array): void {
    for (const pages of [this.#written, this.#lent]) {
      for (const page of pages.in(iova, length)) {
        const offset = BigInt(page) * PAGE_SIZE - iova;
        // The first page may begin before the range does.
        const unit = offset < 0n ? 0 : Number(offset / pageSize);
        bitmap[unit >> 3] = (bitmap[unit >> 3] ?? 0) | (1 << (unit & 7));
      }
    }
    this.#written.remove(iova, length);
  }
}

/** Bytes of the bitmap of a report: whole words of 64 bits. */
export function bitmapSize(length: bigint, pageSize: bigint): bigint {
  const pages = (length + pageSize - 1n) / pageSize;
  return ((pages + 63n) / 64n) * 8n;
}
