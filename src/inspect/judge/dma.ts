/** What it takes to map a region's mappings for DMA, by this machine's kernel. */

import { mapDmaSteps, mapsByType1, type DmaSteps } from "../../rules/dma-steps.ts";
import type { Machine } from "../proc/machine.ts";
import type { InspectedMapping } from "./region-mappings.ts";

/**
 * The steps of mapping it for DMA once, where its leaves are not there yet: what a guest has done whenever it switches memory
 * decoding on. Null for what is not mapped through VFIO, and where the leaves are not known.
 *
 * @param state as it is mapped, or as it could be
 */
export function mappingDmaSteps(
  { kind, now, best }: Pick<InspectedMapping, "kind" | "now" | "best">,
  { kernel, model }: Machine,
  state: "now" | "best" = "now",
): DmaSteps | null {
  const cost = state === "now" ? now : best;
  if (cost === null || model === null || (kind !== "vfio-group" && kind !== "vfio-cdev")) return null;
  if (!mapsByType1(model)) return null;
  return mapDmaSteps(kernel, cost.leaves, model.pageSize);
}
