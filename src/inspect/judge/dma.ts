/** What it takes to map a region's mappings for DMA, by this machine's kernel. */

import { mapDmaSteps, type DmaSteps } from "../../rules/dma-steps.ts";
import type { Machine } from "../proc/machine.ts";
import type { InspectedMapping } from "./region-mappings.ts";

/**
 * The steps of mapping it for DMA once, where its leaves are not there yet: what a guest has done whenever it switches memory
 * decoding on. Null for what is not mapped through VFIO, and where the leaves are not known.
 */
export function mappingDmaSteps(
  { kind, now }: InspectedMapping,
  { kernel, model }: Machine,
): DmaSteps | null {
  if (now === null || model === null || (kind !== "vfio-group" && kind !== "vfio-cdev")) return null;
  return mapDmaSteps(kernel, now.leaves, model.pageSize);
}
