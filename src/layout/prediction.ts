/** The leaves that the kernel uses for mappings whose addresses are known. */

import { countLeaves, faultsOf, leafSpans, type LeafCount, type LeafSpan } from "./leaves.ts";
import { pageTableBytes } from "./page-tables.ts";
import type { PagingModel } from "./paging.ts";
import type { ThpGate } from "./thp-gate.ts";

/** A mapping of device memory; `physical` is null where the physical address of its first byte is not known. */
export interface PredictedRange {
  readonly address: bigint;
  /** Bytes. */
  readonly size: number;
  readonly physical: bigint | null;
}

/** Why a prediction may not hold. */
export type Doubt = "thp-gate" | "physical-unknown";

export interface LayoutPrediction {
  /** Large to small; sizes without any are left out. */
  readonly leaves: readonly LeafCount[];
  /** Page faults until every byte is mapped. */
  readonly faults: number;
  readonly pageTableBytes: number;
  /** Of each mapping given, in the order given: its leaves in order, `offset` counted from the mapping's start. */
  readonly spans: readonly (readonly LeafSpan[])[];
  /**
   * What the figures hang on and is not known; they are then the best case, with an open gate and physical addresses
   * congruent with the virtual ones. Empty: certain.
   */
  readonly doubts: readonly Doubt[];
}

/** Predicts the leaves of mappings at real addresses, touched from end to end. */
export function predictLayout(
  vmas: readonly PredictedRange[],
  model: PagingModel,
  gate: ThpGate,
): LayoutPrediction {
  const options = gate === "closed" || gate === "absent" ? { largestLeaf: model.pageSize } : {};
  const mappings = vmas.map(({ address, size, physical }) => ({
    address,
    physical,
    spans: leafSpans({ address, size, physical: physical ?? address }, model, options),
  }));
  const hasHuge = (spans: readonly LeafSpan[]): boolean => spans.some(({ leaf }) => leaf > model.pageSize);
  const doubts: Doubt[] = [];
  if (gate === "unknown" && mappings.some(({ spans }) => hasHuge(spans))) doubts.push("thp-gate");
  if (mappings.some(({ physical, spans }) => physical === null && hasHuge(spans))) {
    doubts.push("physical-unknown");
  }
  const leaves = countLeaves(mappings.flatMap(({ spans }) => spans));
  const ascending = mappings.toSorted((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  return {
    leaves,
    faults: faultsOf(leaves),
    pageTableBytes: pageTableBytes(ascending, model),
    spans: mappings.map(({ spans }) => spans),
    doubts,
  };
}
