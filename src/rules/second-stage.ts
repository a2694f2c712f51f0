/** The leaves of the second stage: which page sizes KVM gives a guest for device memory. */

import { coverWithLeaves, type LeafSpan } from "../layout/leaves.ts";
import { leafSizes, type PagingModel } from "../layout/paging.ts";
import { isAligned } from "../layout/sizes.ts";

/** What lies both in one memory slot and in one mapping of the monitor. All are multiples of the page size. */
export interface GuestPiece {
  /** Guest-physical address of its first byte. */
  readonly guestAddress: bigint;
  /** Virtual address of its first byte in the monitor. */
  readonly hostAddress: bigint;
  /** Physical address of its first byte. */
  readonly physical: bigint;
  /** Bytes. */
  readonly size: number;
}

/**
 * The leaves of a piece once the guest has touched every byte of it, by offset, neighbours of one size merged.
 *
 * KVM gives a block one leaf of a size where the block lies in the slot, where guest-physical and virtual addresses
 * agree modulo that size (kvm_alloc_memslot_metadata), and where the host's own leaf is at least as large
 * (host_pfn_mapping_level); its fault has the host make that leaf, so that the host's rule for the mapping holds. That is
 * the host's rule over slot ∩ mapping with the guest-physical address in place of the virtual one, for the sizes at which
 * all three addresses agree: closed form, at most five spans.
 *
 * arm64 has the same rule with a PMD at most (fault_supports_stage2_huge_mapping and transparent_hugepage_adjust in
 * arch/arm64/kvm/mmu.c of 6.12.117). Kernels before that took the file's offset for the physical address and asked for no leaf of the
 * host's (get_vma_page_shift, 2021): with BARs, which lie at their own size, that comes to the same for a PMD, and gives a PUD's
 * leaf besides where the monitor's address agrees with the offset modulo a PUD.
 *
 * @param largestLeaf larger leaves than this many bytes are not used: the page size where the slot logs dirty pages or
 *   the host has no huge leaves, the host's own leaf where it is known
 */
export function secondStageSpans(
  { guestAddress, hostAddress, physical, size }: GuestPiece,
  model: PagingModel,
  largestLeaf = Infinity,
): LeafSpan[] {
  const leaves = leafSizes(model).filter(
    (leaf) =>
      leaf === model.pageSize ||
      (leaf <= largestLeaf &&
        isAligned(guestAddress - hostAddress, BigInt(leaf)) &&
        isAligned(physical - hostAddress, BigInt(leaf))),
  );
  // Modulo the largest leaf, so that addresses are safe integers.
  const start = Number(guestAddress % BigInt(model.pudSize));
  const spans: LeafSpan[] = [];
  coverWithLeaves(start, start + size, leaves, (from, to, leaf) => {
    spans.push({ offset: from - start, size: to - from, leaf });
  });
  return spans;
}
