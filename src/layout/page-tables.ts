/** What the page tables below mappings of device memory cost. */

import type { LeafSpan } from "./leaves.ts";
import type { PagingModel } from "./paging.ts";

/** A mapping and its leaves: spans as `leafSpans` gave them, their offsets counted from `address`. */
export interface LaidSpans {
  readonly address: bigint;
  readonly spans: readonly LeafSpan[];
}

/**
 * The bytes of PTE and PMD tables that the mappings of one process need once every byte has been touched: a PTE table
 * for each PMD-sized block of addresses that has a page in it, a PMD table for each PUD-sized block that has anything
 * smaller than a PUD leaf in it. A table that mappings share counts once. The levels above cost next to nothing and are
 * left out.
 *
 * @param mappings in any order, without overlaps
 *
 * @example
 * const vma = { address: 0x40000000n, size: 0x300000, physical: 0x40000000n };
 * pageTableBytes([{ address: vma.address, spans: leafSpans(vma, model) }], model);
 * // x86-64: 0x2000, a PMD table with one leaf of 2 MiB, and a PTE table with 256 pages
 */
export function pageTableBytes(mappings: readonly LaidSpans[], model: PagingModel): number {
  const ascending = mappings.toSorted((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  const pteTables = countTables(ascending, model.pmdSize);
  const pmdTables = countTables(ascending, model.pudSize);
  return tableBytes(pteTables, pmdTables, model);
}

/** As `pageTableBytes`, of one mapping: its address is a safe integer, or the rest of one by the PUD size. */
export function ownTableBytes(address: number, spans: readonly LeafSpan[], model: PagingModel): number {
  const blocks = (blockSize: number): number =>
    countBlocks({ before: Math.floor(address / blockSize), start: address % blockSize, spans }, blockSize, -1)
      .tables;
  return tableBytes(blocks(model.pmdSize), blocks(model.pudSize), model);
}

function tableBytes(pteTables: number, pmdTables: number, model: PagingModel): number {
  return pteTables * model.pteTableSize + pmdTables * model.pmdTableSize;
}

/** The blocks of addresses with a leaf smaller than the block in them: each needs a table. */
function countTables(ascending: readonly LaidSpans[], blockSize: number): number {
  const block = BigInt(blockSize);
  let tables = 0;
  let counted = -1;
  for (const { address, spans } of ascending) {
    // Block numbers are safe integers even where addresses are not.
    const placed = { before: Number(address / block), start: Number(address % block), spans };
    const found = countBlocks(placed, blockSize, counted);
    tables += found.tables;
    counted = found.counted;
  }
  return tables;
}

interface PlacedSpans {
  /** Whole blocks before the mapping's first byte, and bytes from there to it. */
  readonly before: number;
  readonly start: number;
  readonly spans: readonly LeafSpan[];
}

/** @param counted the number of the last block that has been counted */
function countBlocks(
  { before, start, spans }: PlacedSpans,
  blockSize: number,
  counted: number,
): { readonly tables: number; readonly counted: number } {
  let tables = 0;
  let latest = counted;
  for (const { offset, size, leaf } of spans) {
    if (leaf >= blockSize) continue;
    const first = before + Math.floor((start + offset) / blockSize);
    const last = before + Math.ceil((start + offset + size) / blockSize) - 1;
    tables += last - Math.max(first, latest + 1) + 1;
    latest = last;
  }
  return { tables, counted: latest };
}
