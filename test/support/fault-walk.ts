/**
 * A slow, independent walk of the kernel's fault rule, which the closed form in src/layout/ is held against: it goes
 * from fault to fault and keeps page tables as the kernel does. Written after Linux 6.15's mm/memory.c
 * (__handle_mm_fault) and drivers/vfio/pci/vfio_pci_core.c (vfio_pci_mmap_huge_fault); nothing is shared with src/layout/
 * but the paging models' numbers.
 */

import type { PagingModel } from "../../src/layout/paging.ts";

export interface Vma {
  readonly start: bigint;
  readonly end: bigint;
  /** Physical address of its first byte. */
  readonly physical: bigint;
  /** Leaves larger than this are not to be used. */
  readonly largestLeaf?: number;
}

export interface Walked {
  /** Of each mapping, its leaves by address. */
  readonly leaves: readonly (readonly { readonly address: bigint; readonly size: number }[])[];
  readonly faults: number;
  /** Bytes of the PTE and PMD tables that were allocated. */
  readonly pageTableBytes: number;
}

type Entry = "leaf" | "table";

/**
 * Touches the mappings, all of one process, from end to end; or, with `order`, page by page in the order it makes of a
 * mapping's pages.
 */
export function walkFaults(
  vmas: readonly Vma[],
  model: PagingModel,
  order?: (pages: bigint[]) => bigint[],
): Walked {
  const pageSize = BigInt(model.pageSize);
  const pmdSize = BigInt(model.pmdSize);
  const pudSize = BigInt(model.pudSize);
  const puds = new Map<bigint, Entry>();
  const pmds = new Map<bigint, Entry>();
  const ptes = new Set<bigint>();
  let faults = 0;

  const leaves = vmas.map((vma) => {
    const found: { address: bigint; size: number }[] = [];
    const map = (address: bigint, size: bigint): bigint => {
      const leaf = address - (address % size);
      faults += 1;
      found.push({ address: leaf, size: Number(size) });
      return leaf + size;
    };

    /**
     * __handle_mm_fault: from the top; an entry that is there already is not replaced by a larger leaf. Returns the end
     * of the leaf.
     */
    const handleFault = (address: bigint): bigint => {
      const pud = address / pudSize;
      if (!puds.has(pud)) {
        if (model.pudLeaf && hugeFault(vma, address, pudSize, pageSize)) {
          puds.set(pud, "leaf");
          return map(address, pudSize);
        }
        puds.set(pud, "table");
      }
      const pmd = address / pmdSize;
      if (!pmds.has(pmd)) {
        if (hugeFault(vma, address, pmdSize, pageSize)) {
          pmds.set(pmd, "leaf");
          return map(address, pmdSize);
        }
        pmds.set(pmd, "table");
      }
      ptes.add(address / pageSize);
      return map(address, pageSize);
    };

    const isMapped = (address: bigint): boolean =>
      puds.get(address / pudSize) === "leaf" ||
      pmds.get(address / pmdSize) === "leaf" ||
      ptes.has(address / pageSize);

    if (order === undefined) {
      // A touch of what is mapped already is no fault: the next one is just past the leaf.
      for (let address = vma.start; address < vma.end;) address = handleFault(address);
    } else {
      for (const address of order(pagesOf(vma, pageSize))) if (!isMapped(address)) handleFault(address);
    }
    return found.sort((a, b) => (a.address < b.address ? -1 : 1));
  });

  const tablesIn = (entries: ReadonlyMap<bigint, Entry>): number =>
    [...entries.values()].filter((entry) => entry === "table").length;
  const pageTableBytes = tablesIn(puds) * model.pmdTableSize + tablesIn(pmds) * model.pteTableSize;
  return { leaves, faults, pageTableBytes };
}

/** vfio_pci_mmap_huge_fault for an order above 0: whether it inserts a leaf, or answers VM_FAULT_FALLBACK. */
function hugeFault(vma: Vma, faultAddress: bigint, leaf: bigint, pageSize: bigint): boolean {
  if (vma.largestLeaf !== undefined && leaf > BigInt(vma.largestLeaf)) return false;
  const address = faultAddress & ~(leaf - 1n);
  const pgoff = (address - vma.start) / pageSize;
  const pfn = vma.physical / pageSize + pgoff;
  const pages = leaf / pageSize;
  return !(address < vma.start || address + leaf > vma.end || (pfn & (pages - 1n)) !== 0n);
}

function pagesOf({ start, end }: Vma, pageSize: bigint): bigint[] {
  return Array.from(
    { length: Number((end - start) / pageSize) },
    (_, page) => start + BigInt(page) * pageSize,
  );
}
