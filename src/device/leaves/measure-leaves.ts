/** Touches leaves and looks at the faults that it takes: each leaf by itself where the kernel tells their addresses. */

import type { LeafSpan } from "../../layout/leaves.ts";
import { readMemoryCounters } from "../../memory/counters.ts";
import { openFaultAddresses, type FaultAddresses } from "../../memory/fault-addresses.ts";
import type { System } from "../../system/system.ts";
import type { LaidMapping } from "./mapping-layout.ts";

/** A figure as predicted, and as this machine had it. */
export interface Comparison {
  readonly predicted: number;
  readonly measured: number;
}

/** Leaves touched, by what was found of each. */
export interface LeavesFound {
  /** One fault, at the first touch. */
  readonly asPredicted: number;
  /** More than that, or at a later one: smaller leaves. */
  readonly smaller: number;
  /** No fault: touched before. */
  readonly alreadyThere: number;
  /** Whether the kernel dropped some of what it had to tell: what is missing is not known. */
  readonly lost: boolean;
}

/** What touching needs of a mapping. */
export interface ReadableMapping extends LaidMapping {
  read8(offset: number): number;
  read32(offset: number): number;
}

/** A stretch of leaves of one size, `offset` counted from the region's start. */
export interface Stretch extends LeafSpan {
  readonly address: bigint;
}

export interface LeafMeasurement {
  readonly faults: number;
  /** For each leaf. */
  readonly touches: number;
  /** Null where the counters had to do, `whyCounters`. */
  readonly found: LeavesFound | null;
  readonly whyCounters: string | null;
}

/** For each leaf that could be made of smaller ones: enough that what is left untouched between them is no leaf's half. */
const TOUCHES = 8;

/** Touches in all, by the counters: leaves smaller than predicted must cost far more faults than the process takes anyway. */
const MIN_TOUCHES = 1024;

/** Page tables that the process may need for itself meanwhile: its heap, and the levels above the ones counted. */
const PAGE_TABLE_ALLOWANCE = 256 * 1024;

export function measureLeaves(
  mapping: ReadableMapping,
  stretches: readonly Stretch[],
  pageSize: number,
  system: System,
): LeafMeasurement {
  const recorder = openFaultAddresses(system);
  if (typeof recorder === "string") return { ...countFaults(mapping, stretches), whyCounters: recorder };
  try {
    return { ...lookAtFaults(mapping, stretches, pageSize, recorder), whyCounters: null };
  } finally {
    recorder.close();
  }
}

/** Leaf by leaf: the first touch makes the kernel choose one, and whatever lies outside of that faults by itself. */
function lookAtFaults(
  mapping: ReadableMapping,
  stretches: readonly Stretch[],
  pageSize: number,
  recorder: FaultAddresses,
) {
  const found = { asPredicted: 0, smaller: 0, alreadyThere: 0, lost: false };
  let faults = 0;
  recorder.take();
  for (const { offset, size, leaf, address } of stretches) {
    for (let at = 0; at < size; at += leaf) {
      const start = address + BigInt(at);
      touch(mapping, offset + at, leaf, leaf === pageSize ? 1 : TOUCHES);
      const { addresses, lost } = recorder.take();
      const inside = addresses.filter((each) => each >= start && each < start + BigInt(leaf));
      faults += inside.length;
      found.lost ||= lost;
      if (inside.length === 0) found.alreadyThere += 1;
      else if (inside.length === 1 && (inside[0] ?? 0n) < start + BigInt(pageSize)) found.asPredicted += 1;
      else found.smaller += 1;
    }
  }
  return { faults, found, touches: TOUCHES };
}

function countFaults(mapping: ReadableMapping, stretches: readonly Stretch[]) {
  const leaves = stretches.reduce((sum, { size, leaf }) => sum + size / leaf, 0);
  const touches = Math.max(2, Math.ceil(MIN_TOUCHES / Math.max(1, leaves)));
  const before = readMemoryCounters();
  for (const { offset, size, leaf } of stretches) {
    for (let at = 0; at < size; at += leaf) touch(mapping, offset + at, leaf, touches);
  }
  return { faults: readMemoryCounters().minorFaults - before.minorFaults, found: null, touches };
}

/**
 * Every device answers this: PCI's registers are words of 32 bits. Of one byte some do not, and on arm64 an access that is
 * refused is an external abort, which ends the process (SIGBUS).
 */
const WORD = 4;

/**
 * Touches a leaf evenly from its first word to its last, or to the region's where that ends within it. What is no whole
 * word, the end of a region that no hardware has, is read as a byte.
 */
function touch(mapping: ReadableMapping, start: number, leaf: number, touches: number): void {
  const words = Math.floor((Math.min(start + leaf, mapping.region.size) - start) / WORD);
  if (words === 0) {
    mapping.read8(start);
    return;
  }
  for (let number = 0; number < touches; number += 1) {
    const word = touches === 1 ? 0 : Math.floor((number * (words - 1)) / (touches - 1));
    mapping.read32(start + word * WORD);
  }
}

/** Smaller leaves are seen even where other leaves were there before, or something was dropped. */
export function judgeLeaves({
  asPredicted,
  smaller,
  alreadyThere,
  lost,
}: LeavesFound): "agrees" | "differs" | "inconclusive" {
  if (smaller > 0) return "differs";
  return asPredicted === 0 || alreadyThere > 0 || lost ? "inconclusive" : "agrees";
}

/**
 * Were the leaves smaller, nearly every touch would fault. The process's own faults (its heap, code being compiled) can
 * only add; a quarter of the way is far from both.
 */
export function judgeCounters(
  faults: Comparison,
  tables: Comparison,
  touchesPerLeaf: number,
): "agrees" | "differs" | "inconclusive" {
  if (faults.predicted === 0) return "inconclusive";
  const touches = faults.predicted * touchesPerLeaf;
  if (faults.measured > faults.predicted + (touches - faults.predicted) / 4) return "differs";
  if (tables.measured > tables.predicted + PAGE_TABLE_ALLOWANCE) return "differs";
  return faults.measured < faults.predicted ? "inconclusive" : "agrees";
}
