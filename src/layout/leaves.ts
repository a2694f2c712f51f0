/** The leaves that the kernel uses for a mapping of device memory. */

import { hugebarError } from "../errors.ts";
import { formatSize, isAligned, roundDown, roundUp } from "./sizes.ts";
import { leafSizes, type PagingModel } from "./paging.ts";

/** How many leaves of one size, in bytes, there are. */
export interface LeafCount {
  readonly size: number;
  readonly count: number;
}

/** Bytes that leaves of one size map: `offset` from the start of the mapping, `size` a multiple of `leaf`. */
export interface LeafSpan {
  readonly offset: number;
  readonly size: number;
  readonly leaf: number;
}

/** A mapping of device memory: a VMA, as the kernel says. Address and size are multiples of the page size. */
export interface MappedRange {
  /** Virtual address of its first byte. */
  readonly address: bigint;
  readonly size: number;
  /** Physical address of its first byte; what counts is the page it lies in. */
  readonly physical: bigint;
}

/**
 * The leaves of a mapping once every byte of it has been touched, in order, neighbours of one size merged.
 *
 * Linux's rule (drivers/vfio/pci/vfio_pci_core.c, vfio_pci_mmap_huge_fault): a leaf is used where its whole block of
 * addresses lies in the mapping and its page frame is a multiple of its pages; else the next smaller one is tried.
 * Address and page frame advance together, so a mapping that is congruent modulo a leaf size at one block is so at all
 * of them: the largest congruent leaf takes the blocks between the first and the last boundary, and what is left at the
 * two ends goes to the next smaller leaf. So there are at most five spans, whatever the size.
 *
 * @param options.largestLeaf larger leaves than this many bytes are not used
 * @throws ERR_ARGUMENT when the address or the size is no multiple of the model's page size
 *
 * @example
 * leafSpans({ address: 0x1000n, size: 0x400000, physical: 0x1000n }, pagingModels["x86-64"]);
 * // [{ offset: 0, size: 0x1ff000, leaf: 0x1000 }, { offset: 0x1ff000, size: 0x200000, leaf: 0x200000 },
 * //  { offset: 0x3ff000, size: 0x1000, leaf: 0x1000 }]
 */
export function leafSpans(
  { address, size, physical }: MappedRange,
  model: PagingModel,
  { largestLeaf = Infinity }: { readonly largestLeaf?: number } = {},
): LeafSpan[] {
  const { pageSize } = model;
  if (!isAligned(address, BigInt(pageSize)) || !isAligned(size, pageSize)) {
    throw hugebarError("ERR_ARGUMENT", {
      what: `the mapping 0x${address.toString(16)}+0x${size.toString(16)}`,
      problem: `it does not start and end on a page (${formatSize(pageSize)} on ${model.name})`,
    });
  }
  const leaves = leafSizes(model).filter((leaf) => leaf <= Math.max(largestLeaf, pageSize));
  // How far the mapping is past a boundary of the largest leaf: the rest is arithmetic on safe numbers.
  const boundary = BigInt(leaves[0] ?? pageSize);
  const start = Number(address % boundary);
  const shift = Number((roundDown(physical, BigInt(pageSize)) - address) % boundary);
  const congruent = leaves.filter((leaf) => isAligned(shift, leaf));

  const spans: LeafSpan[] = [];
  cover(start, start + size, congruent, (from, to, leaf) => {
    spans.push({ offset: from - start, size: to - from, leaf });
  });
  return spans;
}

/** Covers `from` to `to` with the largest of the leaves (large to small) in the middle and smaller ones at the ends. */
function cover(
  from: number,
  to: number,
  [leaf, ...smaller]: readonly number[],
  emit: (from: number, to: number, leaf: number) => void,
): void {
  if (from === to || leaf === undefined) return;
  const first = roundUp(from, leaf);
  const last = roundDown(to, leaf);
  if (first >= last) {
    cover(from, to, smaller, emit);
    return;
  }
  cover(from, first, smaller, emit);
  emit(first, last, leaf);
  cover(last, to, smaller, emit);
}

/** The number of leaves of each size, large to small; sizes without any are left out. */
export function countLeaves(spans: readonly LeafSpan[]): LeafCount[] {
  const counts = new Map<number, number>();
  for (const { size, leaf } of spans) counts.set(leaf, (counts.get(leaf) ?? 0) + size / leaf);
  return [...counts].map(([size, count]) => ({ size, count })).sort((a, b) => b.size - a.size);
}

/** The page faults that bring these leaves about: one each. */
export function faultsOf(counts: readonly LeafCount[]): number {
  return counts.reduce((faults, { count }) => faults + count, 0);
}
