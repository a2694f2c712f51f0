/** What the start of a virtual machine costs over a region, in counts: faults, steps of mapping for DMA, leaves of the IOMMU. */

import type { Area } from "../layout/areas.ts";
import { countLeaves, faultsOf, leafSpans, type LeafCount } from "../layout/leaves.ts";
import type { PagingModel } from "../layout/paging.ts";
import { mapDmaSteps, type DmaSteps } from "./dma-steps.ts";

/** A kernel that maps for DMA by leaf, and one that does so page by page. */
const BY_LEAF = "6.15";
const BY_PAGE = "6.12.1";

/** Counts for mapping the region once; a guest has it done each time that it switches memory decoding on. */
export interface DmaCost {
  /** On the kernel asked about. */
  readonly steps: DmaSteps;
  /** On a kernel that takes a step a leaf ("vfio/type1: Use mapping page mask for pfnmaps", Linux 6.15). */
  readonly byLeaf: number;
  /** On one that takes a step a page. */
  readonly byPage: number;
}

/**
 * @param kernel `uname -r`
 * @param leaves the host's, once all is touched
 * @param pageSize bytes
 */
export function dmaCost(kernel: string, leaves: readonly LeafCount[], pageSize: number): DmaCost {
  return {
    steps: mapDmaSteps(kernel, leaves, pageSize),
    byLeaf: mapDmaSteps(BY_LEAF, leaves, pageSize).least,
    byPage: mapDmaSteps(BY_PAGE, leaves, pageSize).least,
  };
}

/**
 * The leaves of the IOMMU for memory slots that the guest sees at `guestAddress` and on: a monitor maps each at its
 * guest-physical address, and the IOMMU takes the largest page that address and physical address agree on (iommu_pgsize).
 *
 * @param slots offset and size in the region
 */
export function iommuLeaves(
  slots: readonly Area[],
  guestAddress: bigint,
  physical: bigint,
  model: PagingModel,
): LeafCount[] {
  // IOMMUs have pages of every size that the processor's tables have a level for; those of 64 KiB pages none above 512 MiB.
  const iommu: PagingModel = { ...model, pudLeaf: model.pageSize === 4096 };
  return countLeaves(
    slots.flatMap(({ offset, size }) =>
      leafSpans({ address: guestAddress + BigInt(offset), size, physical: physical + BigInt(offset) }, iommu),
    ),
  );
}

/** How many leaves these are. */
export const leafTotal = faultsOf;
