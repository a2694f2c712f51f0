/** The leaves that the kernel uses for a mapping of device memory. */

import { requireOptions, unusable } from "../arguments.ts";
import { hugebarError } from "../errors.ts";
import { requireAddress, requireModel, requireRange } from "./checks.ts";
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
 * The leaves of a mapping once every byte of it has been touched, by offset, neighbours of one size merged.
 *
 * Linux's rule (drivers/vfio/pci/vfio_pci_core.c, vfio_pci_mmap_huge_fault): a leaf is used where its whole block of
 * addresses lies in the mapping and its page frame is a multiple of its pages; else the next smaller one is tried.
 * Address and page frame advance together, so a mapping that is congruent modulo a leaf size at one block is so at all
 * of them: the largest congruent leaf takes the blocks between the first and the last boundary, and what is left at the
 * two ends goes to the next smaller leaf. So there are at most five spans, whatever the size.
 *
 * Before "vfio/pci: Align huge faults to order" (c1d9dac0db16, Linux 6.15 and its backports) a block got its large leaf
 * only when its first page was touched first; touched from end to end, the result is the same.
 *
 * @param options.largestLeaf larger leaves than this many bytes are not used
 * @throws ERR_ARGUMENT when the address or the size is no multiple of the model's page size, or something else is not
 *   what it must be
 *
 * @example
 * leafSpans({ address: 0x1000n, size: 0x400000, physical: 0x1000n }, pagingModels["x86-64"]);
 * // [{ offset: 0, size: 0x1ff000, leaf: 0x1000 }, { offset: 0x1ff000, size: 0x200000, leaf: 0x200000 },
 * //  { offset: 0x3ff000, size: 0x1000, leaf: 0x1000 }]
 */
export function leafSpans(
  range: MappedRange,
  model: PagingModel,
  options: { readonly largestLeaf?: number } = {},
): LeafSpan[] {
  requireRange(range);
  requireModel(model);
  requireOptions("of leaves", options);
  const { address, size, physical } = range;
  const { largestLeaf = Infinity } = options;
  if (typeof largestLeaf !== "number") throw unusable("largestLeaf", largestLeaf, "it must be a number");
  requireAddress("physical address", physical);
  const page = BigInt(model.pageSize);
  if (!isAligned(address, page) || !isAligned(size, model.pageSize)) {
    throw hugebarError("ERR_ARGUMENT", {
      what: `the mapping 0x${address.toString(16)}+0x${size.toString(16)}`,
      problem: `it does not start and end on a page (${formatSize(model.pageSize)} on ${model.name})`,
    });
  }
  const boundary = BigInt(model.pudSize);
  const start = Number(address % boundary);
  const shift = Number((roundDown(physical, page) - address) % boundary);
  const spans: LeafSpan[] = [];
  coverWithLeaves(start, start + size, usableLeaves(model, largestLeaf, shift), (from, to, leaf) => {
    spans.push({ offset: from - start, size: to - from, leaf });
  });
  return spans;
}

/**
 * The leaf sizes that a mapping can have, large to small: up to a limit, and congruent. A page is always among them.
 *
 * @param shift the physical minus the virtual address, modulo the PUD size or not
 */
export function usableLeaves(model: PagingModel, largestLeaf: number, shift: number): number[] {
  return leafSizes(model).filter(
    (leaf) => leaf === model.pageSize || (leaf <= largestLeaf && isAligned(shift, leaf)),
  );
}

/**
 * Covers the addresses `from` to `to`, which may be taken modulo the PUD size, with the largest of the leaves in the
 * middle and smaller ones at both ends, and calls `emit` with each stretch, in order.
 *
 * @param leaves from `usableLeaves`
 */
export function coverWithLeaves(
  from: number,
  to: number,
  leaves: readonly number[],
  emit: (from: number, to: number, leaf: number) => void,
  level = 0,
): void {
  const leaf = leaves[level];
  if (from === to || leaf === undefined) return;
  const first = roundUp(from, leaf);
  const last = roundDown(to, leaf);
  if (first >= last) {
    coverWithLeaves(from, to, leaves, emit, level + 1);
    return;
  }
  coverWithLeaves(from, first, leaves, emit, level + 1);
  emit(first, last, leaf);
  coverWithLeaves(last, to, leaves, emit, level + 1);
}

/**
 * Whether the leaves that a mapping's addresses alone would give do not all fit its physical address: a handler that does not
 * check the page frame lays them over other memory than asked for.
 */
export function leavesMisfit({ address, size, physical }: MappedRange, model: PagingModel): boolean {
  const shift = physical < address ? address - physical : physical - address;
  return leafSpans({ address, size, physical: address }, model).some(
    ({ leaf }) => leaf > model.pageSize && !isAligned(shift, BigInt(leaf)),
  );
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
