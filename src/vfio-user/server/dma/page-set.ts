/** A set of pages of a 64-bit address space: bitmaps of those parts that have any. */

export const PAGE_SIZE = 4096n;
/** Pages of one bitmap, of 4 KiB. */
const CHUNK = 2 ** 15;

export class PageSet {
  readonly #chunks = new Map<number, Uint8Array>();

  /** Adds all pages that `length` bytes at `address` touch. */
  add(address: bigint, length: number): void {
    if (length === 0) return;
    const last = pageOf(address + BigInt(length) - 1n);
    for (let page = pageOf(address); page <= last;) {
      const chunk = Math.floor(page / CHUNK);
      const end = Math.min(last, chunk * CHUNK + CHUNK - 1);
      let bits = this.#chunks.get(chunk);
      if (bits === undefined) this.#chunks.set(chunk, (bits = new Uint8Array(CHUNK / 8)));
      setBits(bits, page % CHUNK, end % CHUNK);
      page = end + 1;
    }
  }

  /** Takes away what lies in `length` bytes at `address`. */
  remove(address: bigint, length: bigint): void {
    for (const page of this.in(address, length)) {
      const bits = this.#chunks.get(Math.floor(page / CHUNK));
      if (bits !== undefined)
        bits[(page % CHUNK) >> 3] = (bits[(page % CHUNK) >> 3] ?? 0) & ~(1 << (page & 7));
    }
  }

  clear(): void {
    this.#chunks.clear();
  }

  /** The numbers of the pages in `length` bytes at `address`, in no order. */
  *in(address: bigint, length: bigint): Generator<number> {
    if (length === 0n) return;
    const [first, last] = [pageOf(address), pageOf(address + length - 1n)];
    for (const [chunk, bits] of this.#chunks) {
      const start = chunk * CHUNK;
      if (start > last || start + CHUNK <= first) continue;
      const from = Math.max(first - start, 0) >> 3;
      const to = Math.min(last - start, CHUNK - 1) >> 3;
      for (let at = from; at <= to; at += 1) {
        for (let rest = bits[at] ?? 0; rest !== 0; rest &= rest - 1) {
          const page = start + at * 8 + (31 - Math.clz32(rest & -rest));
          if (page >= first && page <= last) yield page;
        }
      }
    }
  }
}

function pageOf(address: bigint): number {
  return Number(address / PAGE_SIZE);
}

/** Sets bits `first` to `last`. */
function setBits(bits: Uint8Array, first: number, last: number): void {
  const [from, to] = [first >> 3, last >> 3];
  const head = (0xff << (first & 7)) & 0xff;
  const tail = 0xff >> (7 - (last & 7));
  if (from === to) {
    bits[from] = (bits[from] ?? 0) | (head & tail);
    return;
  }
  bits[from] = (bits[from] ?? 0) | head;
  bits.fill(0xff, from + 1, to);
  bits[to] = (bits[to] ?? 0) | tail;
}
