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
    if (length === 0n) return;
    const [first, last] = [pageOf(address), pageOf(address + length - 1n)];
    for (const [chunk, bits] of this.#chunks) {
      const from = Math.max(first - chunk * CHUNK, 0);
      const to = Math.min(last - chunk * CHUNK, CHUNK - 1);
      if (from > to) continue;
      clearBits(bits, from, to);
      if (bits.every((byte) => byte === 0)) this.#chunks.delete(chunk);
    }
  }

  clear(): void {
    this.#chunks.clear();
  }

  /** How many bitmaps there are. */
  get chunks(): number {
    return this.#chunks.size;
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

/** Clears bits `first` to `last`. */
function clearBits(bits: Uint8Array, first: number, last: number): void {
  const [from, to] = [first >> 3, last >> 3];
  const before = 0xff >> (8 - (first & 7));
  const behind = (0xff << ((last & 7) + 1)) & 0xff;
  if (from === to) {
    bits[from] = (bits[from] ?? 0) & (before | behind);
    return;
  }
  bits[from] = (bits[from] ?? 0) & before;
  bits.fill(0, from + 1, to);
  bits[to] = (bits[to] ?? 0) & behind;
}
