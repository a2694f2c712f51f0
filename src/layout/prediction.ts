/** The leaves that the kernel uses for mappings whose addresses are known. */

import { requireOptions, requireWord } from "../arguments.ts";
import { requireList, requireModel, requireRange } from "./checks.ts";
import { countLeaves, faultsOf, leafSpans, leavesMisfit, type LeafCount, type LeafSpan } from "./leaves.ts";
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

const GATES: readonly ThpGate[] = ["open", "closed", "absent", "unknown"];

/** A mapping of device memory; address and size are multiples of the page size. */
export interface PredictedRange {
  readonly address: bigint;
  /** Bytes. */
  readonly size: number;
  /** Physical address of its first byte; null where that is not known. */
  readonly physical: bigint | null;
}

/**
 * What a prediction may hang on: the gate; the physical address; the order in which blocks are first touched; and whether the
 * kernel looks at the physical address at all, without which a misaligned mapping shows wrong memory.
 */
export type Doubt = "thp-gate" | "physical-unknown" | "touch-order" | "wrong-memory";

/** What is known of the handler that lays leaves (rules/handler.ts); null is not known. */
export interface LeafHandler {
  readonly mapsWrongMemory: boolean | null;
  readonly dependsOnOrder: boolean | null;
}

const SOUND: LeafHandler = { mapsWrongMemory: false, dependsOnOrder: false };

/** What leaves come to. */
export interface LeafCost {
  /** Large to small; sizes without any are left out. */
  readonly leaves: readonly LeafCount[];
  /** Page faults until every byte is mapped. */
  readonly faults: number;
  readonly pageTableBytes: number;
}

/** What the kernel does with mappings that are touched from end to end. */
export interface LayoutPrediction extends LeafCost {
  /** Of each mapping, in the order given: its leaves, `offset` counted from the mapping's start. */
  readonly spans: readonly (readonly LeafSpan[])[];
  /**
   * What is not known and would change the figures, which are then the best case: an open gate, physical addresses
   * congruent with the virtual ones. Empty: the figures are certain.
   */
  readonly doubts: readonly Doubt[];
  /** What it is at worst, where there are doubts; null where there are none. */
  readonly worst: LeafCost | null;
}

/**
 * Predicts the leaves of mappings of one process. Where the answer hangs on something unknown, it says so in `doubts`;
 * it does not where the answer is the same either way, as for a mapping too small for any large leaf.
 *
 * @param gate from `thpGate`; `closed` and `absent` leave nothing but pages
 * @param handler what is known of the kernel's handler; that of Linux 6.15 and newer by default
 * @throws ERR_ARGUMENT when a mapping does not start and end on a page of the model, or something is not what it must be
 */
export function predictLayout(
  vmas: readonly PredictedRange[],
  model: PagingModel,
  gate: ThpGate,
  handler: LeafHandler = SOUND,
): LayoutPrediction {
  requireList("mappings", vmas);
  vmas.forEach(requireRange);
  requireModel(model);
  requireWord("gate", gate, GATES);
  requireOptions("of a handler", handler);
  const isClosed = gate === "closed" || gate === "absent";
  const pages = { largestLeaf: model.pageSize };
  const mappings = vmas.map(({ address, size, physical }) => {
    const range = { address, size, physical: physical ?? address };
    const spans = leafSpans(range, model, isClosed ? pages : {});
    const misfits =
      handler.mapsWrongMemory !== false && !isClosed && physical !== null && leavesMisfit(range, model);
    return { range, physical, spans, misfits, huge: spans.some(({ leaf }) => leaf > model.pageSize) };
  });
  const someHuge = mappings.some(({ huge }) => huge);
  const doubts: Doubt[] = [];
  if (gate === "unknown" && someHuge) doubts.push("thp-gate");
  if (mappings.some(({ huge, physical }) => huge && physical === null)) doubts.push("physical-unknown");
  if (handler.dependsOnOrder !== false && someHuge) doubts.push("touch-order");
  if (mappings.some(({ misfits }) => misfits)) doubts.push("wrong-memory");

  const spans = mappings.map((mapping) => mapping.spans);
  const inPages = (): LeafCost =>
    costOf(
      vmas,
      mappings.map(({ range }) => leafSpans(range, model, pages)),
      model,
    );
  return { ...costOf(vmas, spans, model), spans, doubts, worst: doubts.length === 0 ? null : inPages() };
}

function costOf(
  vmas: readonly PredictedRange[],
  spans: readonly (readonly LeafSpan[])[],
  model: PagingModel,
): LeafCost {
  const leaves = countLeaves(spans.flat());
  const laid = vmas.map(({ address }, index) => ({ address, spans: spans[index] ?? [] }));
  return { leaves, faults: faultsOf(leaves), pageTableBytes: pageTableBytes(laid, model) };
}
