/** Which of the client's pages the device has written to: what a client asks while it copies its memory elsewhere. */

import { PAGE_SIZE, PageSet } from "./page-set.ts";

/** A part of the client's memory. */
export interface Part {
  readonly iova: bigint;
  /** Bytes. */
  readonly length: number;
}

export class DmaLog {
  #logging = false;
  readonly #written = new PageSet();
  /** What the device may write to at any time, and nobody tells when: it counts as written each time. */
  readonly #lent = new Set<Part>();

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

  /** The device may write there whenever it likes, until `returned`. */
  lent(part: Part): void {
    this.#lent.add(part);
  }

  /** It has done so for the last time, up to now. */
  returned(part: Part): void {
    if (this.#lent.delete(part)) this.wrote(part.iova, part.length);
  }

  /**
   * What was written in `length` bytes from `iova` on since the last report: a bitmap of pages of `pageSize`, as long as
   * `bitmapSize` says.
   */
  report(iova: bigint, length: bigint, pageSize: bigint, bitmap: Uint8Array): void {
    for (const part of this.#lent) this.#addWithin(part, iova, length);
    for (const page of this.#written.in(iova, length)) {
      const offset = BigInt(page) * PAGE_SIZE - iova;
      // The first page may begin before the range does.
      const unit = offset < 0n ? 0 : Number(offset / pageSize);
      bitmap[unit >> 3] = (bitmap[unit >> 3] ?? 0) | (1 << (unit & 7));
    }
    this.#written.remove(iova, length);
  }

  #addWithin(part: Part, iova: bigint, length: bigint): void {
    const start = part.iova > iova ? part.iova : iova;
    const partEnd = part.iova + BigInt(part.length);
    const end = partEnd < iova + length ? partEnd : iova + length;
    if (start < end) this.#written.add(start, Number(end - start));
  }
}

/** Bytes of the bitmap of a report: whole words of 64 bits. */
export function bitmapSize(length: bigint, pageSize: bigint): bigint {
  const pages = (length + pageSize - 1n) / pageSize;
  return ((pages + 63n) / 64n) * 8n;
}
