/** What it takes to map a mapping of device memory for DMA: drivers/vfio/vfio_iommu_type1.c, vfio_pin_pages_remote. */

import { faultsOf, type LeafCount } from "../layout/leaves.ts";
import type { PagingModel } from "../layout/paging.ts";
import { changes, hasChange } from "./changes.ts";

/** Steps of one VFIO_IOMMU_MAP_DMA: look-ups in the page tables (follow_pfnmap_start); where it is not known how many, a range. */
export interface DmaSteps {
  readonly least: number;
  readonly most: number;
  /** A step a leaf; else a step a page, whatever its leaves. Null where the kernel's name does not tell. */
  readonly byLeaf: boolean | null;
}

/**
 * Whether VFIO maps for DMA by type1 there: ppc64's IOMMU is another's (vfio_iommu_spapr_tce.c), of which no steps are known
 * here.
 */
export function mapsByType1({ name }: Pick<PagingModel, "name">): boolean {
  return !name.startsWith("ppc64");
}

/**
 * The steps that type1 takes to map device memory for DMA, as a virtual machine monitor does for a BAR whenever its guest
 * turns memory decoding on: each costs a walk of the page tables and the same again to undo. Seen for 1 GiB in one leaf:
 * 262,145 on 6.12.107, 2 on 7.2.13. iommufd refuses such memory and takes a dma-buf of it, at once.
 *
 * @param kernel `uname -r`
 * @param leaves of the mapping, once it is touched
 * @param pageSize bytes of a base page
 * @param options.touched the leaves are there already; else each is laid on the way, by one step more
 *
 * @example
 * mapDmaSteps("6.12.107", [{ size: 0x40000000, count: 1 }], 4096); // { least: 262145, most: 262145, byLeaf: false }
 */
export function mapDmaSteps(
  kernel: string,
  leaves: readonly LeafCount[],
  pageSize: number,
  { touched = false }: { readonly touched?: boolean } = {},
): DmaSteps {
  const byLeaf = hasChange(kernel, changes.dmaByLeaf);
  const count = faultsOf(leaves);
  const pages = leaves.reduce((sum, leaf) => sum + (leaf.size / pageSize) * leaf.count, 0);
  const laid = touched ? 0 : count;
  return {
    least: (byLeaf === false ? pages : count) + laid,
    most: (byLeaf === true ? count : pages) + laid,
    byLeaf,
  };
}
