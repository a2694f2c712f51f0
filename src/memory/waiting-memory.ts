/**
 * Address space that was closed and cannot be given back yet, because a buffer over it may still be in use. This thread's
 * alone: a buffer over foreign memory cannot leave its thread.
 */

import type { System } from "../system/system.ts";

/** What this thread holds back. Harmless memory lies there, which costs nothing before something writes to it. */
export interface WaitingMemory {
  /** Pieces of address space that go back once the collector has taken the last buffer over them, some time after that. */
  readonly ranges: number;
  /** Bytes of them. */
  readonly bytes: number;
  /**
   * Pieces that stay until the process ends, because a buffer over them was carried off (by a byte stream, or
   * `ArrayBuffer.prototype.transfer`), or may have been: of more than 1,024 views of one area not all are watched.
   */
  readonly keptRanges: number;
  readonly keptBytes: number;
}

/** A piece of address space, and the seam to unmap it by. */
export interface HeldRange {
  readonly address: bigint;
  readonly size: number;
  readonly system: System;
}

const waiting = new Set<HeldRange>();
const kept = new Set<HeldRange>();
/** What the kernel would not unmap, tried again with the next. */
const refused = new Set<HeldRange>();

/** How much address space of what this thread closed waits to be given back. */
export function waitingMemory(): WaitingMemory {
  return {
    ranges: waiting.size,
    bytes: bytesOf(waiting),
    keptRanges: kept.size,
    keptBytes: bytesOf(kept),
  };
}

export function holdBack(range: HeldRange): void {
  waiting.add(range);
}

export function keepForGood(range: HeldRange): void {
  waiting.delete(range);
  kept.add(range);
}

/** Unmaps the range now, or with a later one where the kernel refuses (out of mappings, if it must split one). */
export function giveBack(range: HeldRange): void {
  waiting.add(range);
  refused.add(range);
  for (const each of refused) {
    try {
      each.system.munmap(each.address, each.size);
    } catch {
      continue; // It still counts as waiting; nobody is there to be told.
    }
    refused.delete(each);
    waiting.delete(each);
  }
}

function bytesOf(ranges: Iterable<HeldRange>): number {
  let sum = 0;
  for (const { size } of ranges) sum += size;
  return sum;
}
