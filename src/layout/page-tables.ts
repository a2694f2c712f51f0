/** What the page tables below a mapping cost. */

import type { LeafSpan } from "./leaves.ts";
import type { PagingModel } from "./paging.ts";

/** A mapping and its leaves: spans as `leafSpans` gave them, their offsets counted from `address`. */
export interface LaidSpans {
  readonly address: bigint;
  readonly spans: readonly LeafSpan[];
}

/**
 * The bytes of PTE and PMD tables that these mappings need: a PTE table for each PMD-sized block of addresses that has
 * a page in it, a PMD table for each PUD-sized block that has anything smaller than a PUD leaf in it. A table that
 * mappings share counts once. Levels above cost next to nothing and are left out.
 *
 * @param mappings by ascending address, without overlaps
 */
export function pageTableBytes(mappings: readonly LaidSpans[], model: PagingModel): number {
  const pteTables = new BlockCounter(model.pmdSize);
  const pmdTables = new BlockCounter(model.pudSize);
  for (const { address, spans } of mappings) {
    for (const { offset, size, leaf } of spans) {
      if (leaf < model.pmdSize) pteTables.add(address, offset, size);
      if (leaf < model.pudSize) pmdTables.add(address, offset, size);
    }
  }
  return (pteTables.count + pmdTables.count) * model.pageSize;
}

/** Counts the blocks of addresses that ranges, given in ascending order, touch. */
class BlockCounter {
  count = 0;
  #last = -1;
  readonly #blockSize: number;

  constructor(blockSize: number) {
    this.#blockSize = blockSize;
  }

  add(address: bigint, offset: number, size: number): void {
    const block = BigInt(this.#blockSize);
    const start = Number(address % block) + offset;
    const before = Number(address / block);
    const first = before + Math.floor(start / this.#blockSize);
    const last = before + Math.floor((start + size - 1) / this.#blockSize);
    this.count += last - Math.max(first, this.#last + 1) + 1;
    this.#last = last;
  }
}
