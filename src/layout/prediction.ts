/** The leaves that the kernel uses for mappings whose addresses are known. */

import { countLeaves, faultsOf, leafSpans, type LeafCount, type LeafSpan } from "./leaves.ts";
import { pageTableBytes } from "./page-tables.ts";
import type { PagingModel } from "./paging.ts";

/**
 * Whether a kernel gives a mapping huge leaves:
 *
 * - `open`: where addresses allow them.
 * - `closed`: settings or advice stop them.
 * - `absent`: this kernel, driver or way of mapping has none, whatever the settings.
 * - `unknown`: what decides is not known.
 */
export type ThpGate = "open" | "closed" | "absent" | "unknown";

/** A mapping of device memory; address and size are multiples of the page size. */
export interface PredictedRange {
  readonly address: bigint;
  /** Bytes. */
  readonly size: number;
  /** Physical address of its first byte; null where that is not known. */
  readonly physical: bigint | null;
}

/** What a prediction may hang on. */
export type Doubt = "thp-gate" | "physical-unknown";

/** What the kernel does with mappings that are touched from end to end. */
export interface LayoutPrediction {
  /** Large to small; sizes without any are left out. */
  readonly leaves: readonly LeafCount[];
  /** Page faults until every byte is mapped. */
  readonly faults: number;
  readonly pageTableBytes: number;
  /** Of each mapping, in the order given: its leaves, `offset` counted from the mapping's start. */
  readonly spans: readonly (readonly LeafSpan[])[];
  /**
   * What is not known and would change the figures, which are then the best case: an open gate, physical addresses
   * congruent with the virtual ones. Empty: the figures are certain.
   */
  readonly doubts: readonly Doubt[];
}

/**
 * Predicts the leaves of mappings of one process. Where the answer hangs on something unknown, it says so in `doubts`;
 * it does not where the answer is the same either way, as for a mapping too small for any large leaf.
 *
 * @param gate from `thpGate`; `closed` and `absent` leave nothing but pages
 * @throws ERR_ARGUMENT when a mapping does not start and end on a page of the model
 */
export function predictLayout(
  vmas: readonly PredictedRange[],
  model: PagingModel,
  gate: ThpGate,
): LayoutPrediction {
  const options = gate === "closed" || gate === "absent" ? { largestLeaf: model.pageSize } : {};
  const mappings = vmas.map(({ address, size, physical }) => {
    const spans = leafSpans({ address, size, physical: physical ?? address }, model, options);
    return { address, physical, spans, huge: spans.some(({ leaf }) => leaf > model.pageSize) };
  });
  const doubts: Doubt[] = [];
  if (gate === "unknown" && mappings.some(({ huge }) => huge)) doubts.push("thp-gate");
  if (mappings.some(({ huge, physical }) => huge && physical === null)) doubts.push("physical-unknown");

  const leaves = countLeaves(mappings.flatMap(({ spans }) => spans));
  return {
    leaves,
    faults: faultsOf(leaves),
    pageTableBytes: pageTableBytes(mappings, model),
    spans: mappings.map(({ spans }) => spans),
    doubts,
  };
}
