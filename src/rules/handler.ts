/**
 * The generations of the handler that lays leaves of device memory (drivers/vfio/pci/vfio_pci_core.c,
 * vfio_pci_mmap_huge_fault), as what they are to a user.
 */

import type { LeafHandler } from "../layout/prediction.ts";
import { changes, hasChange } from "./changes.ts";

export interface FaultHandler extends LeafHandler {
  /**
   * A huge leaf is laid wherever the addresses allow one, though the memory behind it starts elsewhere: a mapping that is
   * misaligned shows wrong memory. Null where the kernel's name does not tell.
   */
  readonly mapsWrongMemory: boolean | null;
  /**
   * A block gets its huge leaf only if its first page is touched first: what leaves there are depends on the program.
   * Null where the kernel's name does not tell.
   */
  readonly dependsOnOrder: boolean | null;
}

/** A handler that lays a huge leaf wherever one fits, whoever touches what first. */
export const SOUND_HANDLER: FaultHandler = { mapsWrongMemory: false, dependsOnOrder: false };

/**
 * The handler of a kernel that has huge leaves for device memory.
 *
 * @param kernel `uname -r`
 */
export function faultHandler(kernel: string): FaultHandler {
  const not = (has: boolean | null): boolean | null => (has === null ? null : !has);
  return {
    mapsWrongMemory: not(hasChange(kernel, changes.pageFrameChecked)),
    dependsOnOrder: not(hasChange(kernel, changes.anyTouch)),
  };
}
