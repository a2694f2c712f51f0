/** Touching a mapping and counting what that costs, for tests inside the guest. */

import assert from "node:assert/strict";

import type { LeafSpan } from "../../../src/layout/leaves.ts";
import { readMemoryCounters } from "../../../src/memory/counters.ts";
import type { LeafTally } from "./huge-faults.ts";

/**
 * What the process itself may do meanwhile: its heap grows and its code is compiled, or a collection gives memory back.
 * The kernel's own count (huge-faults.ts) is exact.
 */
const faultsBeside = 1024;
const tablesBeside = 1024 * 1024;

export interface Cost {
  readonly faults: number;
  readonly pageTableBytes: number;
}

/** Runs `touch`, and returns the page faults and the growth of page tables that it took. */
export function costOf(touch: () => void): Cost {
  readMemoryCounters();
  const before = readMemoryCounters();
  touch();
  const after = readMemoryCounters();
  return {
    faults: after.minorFaults - before.minorFaults,
    pageTableBytes: after.vmPteBytes - before.vmPteBytes,
  };
}

/** Holds a cost against what was predicted, what the process itself may have added allowed for. */
export function assertCost(found: Cost, predicted: Cost): void {
  const more = found.faults - predicted.faults;
  assert.ok(more >= 0 && more <= faultsBeside, `${found.faults} faults are not ${predicted.faults}`);
  const apart = Math.abs(found.pageTableBytes - predicted.pageTableBytes);
  const text = `${found.pageTableBytes} bytes of page tables are not ${predicted.pageTableBytes}`;
  assert.ok(apart <= tablesBeside, text);
}

/** Offsets `step` apart, from 0 to the end of `size` bytes. */
export function steps(size: number, step: number): number[] {
  return Array.from({ length: Math.ceil(size / step) }, (_, index) => index * step);
}

/** The leaves on which the offsets lie, each counted once, as a tally and as spans for their page tables. */
export function leavesAt(
  spans: readonly LeafSpan[],
  offsets: readonly number[],
): { tally: LeafTally; spans: LeafSpan[] } {
  const starts = new Map<number, number>();
  for (const at of offsets) {
    const span = spans.find(({ offset, size }) => at >= offset && at < offset + size);
    assert.ok(span !== undefined, `no leaf at ${at}`);
    starts.set(at - ((at - span.offset) % span.leaf), span.leaf);
  }
  const sizes = [...new Set(starts.values())].sort((a, b) => b - a);
  const touched = [...starts].map(([offset, leaf]) => ({ offset, size: leaf, leaf }));
  return {
    tally: sizes.map((size) => ({ size, count: touched.filter(({ leaf }) => leaf === size).length })),
    spans: touched.sort((a, b) => a.offset - b.offset),
  };
}
