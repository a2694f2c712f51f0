/**
 * The gate of a mapping that is there, by the running kernel's own word where it gives one: `THPeligible` in smaps, which is
 * the expression that a fault asks (mm/huge_memory.c, __thp_vma_allowable_orders), and the file offset, which a driver
 * without huge faults writes the page frame over. The version decides what these leave open.
 */

import type { PagingModel } from "../layout/paging.ts";
import { isAligned, roundDown } from "../layout/sizes.ts";
import { changes, hasChange } from "./changes.ts";
import { isVfioPci, remapsAtOnce } from "./drivers.ts";
import { gateByRule, mappedBy, settingGrants, type Gate, type GateCause } from "./gate.ts";
import type { SeenMapping } from "./learn.ts";
import { hasLeaves, ignoresSetting, NOTHING_LEARNED, type LearnedKernel } from "./learned.ts";

/**
 * Where a statement about leaves comes from, weakest to strongest: arithmetic and the kernel's version; the kernel's own
 * opinion of the mapping; faults counted while they happened; the page tables themselves.
 */
export type Evidence = "rule" | "kernel" | "faults" | "tables";

/**
 * What exactly says so: names and numbers alone, smaps (of this mapping, or of another that showed what this kernel does), the
 * file offset, VmPTE, a trace, or the page tables.
 */
export type EvidenceSource = "version" | "THPeligible" | "file-offset" | "VmPTE" | "trace" | "page-tables";

export interface ProvedGate extends Gate {
  readonly evidence: Evidence;
  readonly source: EvidenceSource;
}

/** A mapping as the kernel shows it, and what decides about it. */
export interface MappingState extends SeenMapping {
  /** The file offset in maps is a physical address. */
  readonly physicalOffset: boolean;
}

const BY_RULE = { evidence: "rule", source: "version" } as const;

/** The gate, and how it is known. */
export function gateOfMapping(state: MappingState, learned: LearnedKernel = NOTHING_LEARNED): ProvedGate {
  const { way = "vfio", driver = null, region = null, eligible, suitable, physicalOffset } = state;
  if (way !== "vfio") return { ...gateByRule(state), ...BY_RULE };
  if (eligible === true) return { gate: "open", cause: null, evidence: "kernel", source: "THPeligible" };
  // vfio-pci's huge faults take the region out of the offset, so where it was written over there are none. nvgrace-gpu
  // has been seen to write over it and to have them.
  const isKnown = driver !== null && (isVfioPci(driver, region) || remapsAtOnce(driver));
  if (physicalOffset && isKnown) {
    return { gate: "absent", cause: "no-huge-pfnmap", evidence: "kernel", source: "file-offset" };
  }
  if (eligible === false && suitable)
    return { ...closedBy(state, learned), evidence: "kernel", source: "THPeligible" };
  const byName = gateByRule(state);
  // What wrote over the offset is not vfio-pci, whose rules stand for those of a driver that is not known.
  if (physicalOffset && driver === null && byName.gate === "open")
    return { gate: "unknown", cause: "driver-unknown", ...BY_RULE };
  if (byName.gate !== "unknown") return { ...byName, ...BY_RULE };
  const byLearned = gateByRule(state, learned);
  if (byLearned.gate === "unknown" || (physicalOffset && driver === null)) return { ...byName, ...BY_RULE };
  return { ...byLearned, evidence: "kernel", source: "THPeligible" };
}

/** The likeliest cause of what the kernel says. */
function closedBy(state: MappingState, learned: LearnedKernel): Gate {
  const byRule = gateByRule(state, learned);
  if (byRule.gate === "closed" || byRule.gate === "absent") return byRule;
  return { gate: "closed", cause: likelyCause(state, learned) };
}

function likelyCause(state: MappingState, learned: LearnedKernel): GateCause {
  const { kernel, enabled, advised } = state;
  if (hasLeaves(mappedBy(state), learned) !== true) return "no-huge-pfnmap";
  if (settingGrants(enabled, advised) === false && ignoresSetting(kernel, learned) !== true)
    return "thp-gate";
  // Not in status: a process that turned huge pages off except where it asks for them.
  if (advised === false && hasChange(kernel, changes.exceptAdvised) !== false) return "thp-process";
  return "no-huge-pfnmap";
}

/** A VMA: where it is and the file offset in maps, in bytes. */
export interface VmaPlace {
  readonly start: bigint;
  readonly size: number;
  readonly offset: bigint;
}

/**
 * Whether address and length let the kernel call a mapping eligible (`thp_vma_suitable_order`): a whole PMD-sized block in it,
 * and address and file offset congruent. A BAR of that size and more lies at a multiple of it, so that the file offset stands
 * for the physical address.
 */
export function canBeEligible({ start, size, offset }: VmaPlace, { pmdSize }: PagingModel): boolean {
  const leaf = BigInt(pmdSize);
  const last = roundDown(start + BigInt(size), leaf) - leaf;
  return last >= start && isAligned(start - offset < 0n ? offset - start : start - offset, leaf);
}

/** Whether a block of a huge leaf's size lies in the mapping at all. */
export function holdsHugeBlock({ start, size }: VmaPlace, { pmdSize }: PagingModel): boolean {
  const leaf = BigInt(pmdSize);
  return roundDown(start + BigInt(size), leaf) - leaf >= start;
}

/**
 * Whether it is worth the kernel's walk over all page tables of a process to read smaps for a mapping: `needed`, where what is
 * known leaves the gate open to doubt; `cheap`, where all that could still close it is advice against huge pages or what the
 * process turned off, which smaps alone shows; `useless`, where the answer would change nothing.
 */
export function worthOfSmaps(
  state: MappingState,
  place: VmaPlace,
  model: PagingModel,
  learned: LearnedKernel = NOTHING_LEARNED,
): "needed" | "cheap" | "useless" {
  if ((state.way ?? "vfio") !== "vfio" || !holdsHugeBlock(place, model)) return "useless";
  const { gate, source } = gateOfMapping({ ...state, eligible: null, suitable: false }, learned);
  if (source === "file-offset" || gate === "absent") return "useless";
  if (gate === "unknown") return "needed";
  return gate === "open" ? "cheap" : "useless";
}
