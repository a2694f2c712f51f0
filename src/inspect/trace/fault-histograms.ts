/** Counts the faults on device memory in the kernel itself: by size and answer, at the cost of an addition each. */

import { readFileSync } from "node:fs";
import type { Probe } from "./fault-probes.ts";
import { holdInstance } from "./held-instance.ts";
import { lostEvents } from "./trace-instance.ts";

/** All faults for leaves of one size that ended alike. */
export interface FaultTally {
  /** log2 of the leaf's size in pages, as asked for. */
  readonly order: number;
  /** The fault handler's answer: VM_FAULT_… */
  readonly answer: number;
  readonly count: number;
}

export interface FaultTallies {
  readonly tallies: readonly FaultTally[];
  /** Faults that happened and are not counted. */
  readonly lost: number;
}

/** Counting under way. */
export interface FaultHistograms {
  /** What there is since it began. @throws where somebody else has removed the instance */
  read(): FaultTallies;
  /** Stops, and removes everything it made in the kernel. */
  stop(): Promise<void>;
}

/** For each CPU, in KiB: nothing goes through the buffer. */
const BUFFER_KIB = 1;

/**
 * @param root where tracefs is, see `findTracefs`
 * @throws ERR_NOT_SUPPORTED, ERR_PERMISSION
 */
export async function startFaultHistograms(root: string, probes: readonly Probe[]): Promise<FaultHistograms> {
  const { name, histograms, release } = await holdInstance(root, {
    probes,
    tracepoints: [],
    bufferKib: BUFFER_KIB,
    histogramKeys: ["order", "ret"],
  });
  return {
    read() {
      const read = histograms.map(({ kind, file }) => {
        const { tallies, lost } = parseHistogram(readFileSync(file, "utf8"));
        return { kind, tallies, lost };
      });
      const lost = read.reduce((sum, each) => sum + each.lost, lostEvents(root, name));
      return { tallies: mergedTallies(read), lost };
    },
    stop: release,
  };
}

/** A line of tracefs' `hist`: `{ order:         18, ret:        256 } hitcount:          2`. */
const ENTRY = /^\{ order:\s*(\d+), ret:\s*(\d+) \} hitcount:\s*(\d+)\s*$/gm;

/** Reads the text of a histogram by order and answer. */
export function parseHistogram(text: string): FaultTallies {
  return {
    tallies: [...text.matchAll(ENTRY)].map(([, order, answer, count]) => ({
      order: Number(order),
      answer: Number(answer),
      count: Number(count),
    })),
    // What found no place in the table.
    lost: Number(/^\s*Dropped: (\d+)$/m.exec(text)?.[1] ?? 0),
  };
}

/**
 * The function for base pages may call the one for all sizes, or have it built in: a fault that both report is one. Of base
 * pages the first sees all, for the kernel asks the other for larger leaves only (mm/memory.c).
 */
export function mergedTallies(
  read: readonly (Pick<FaultTallies, "tallies"> & { readonly kind: Probe["kind"] })[],
): FaultTally[] {
  const sums = { page: new Map<string, number>(), huge: new Map<string, number>() };
  for (const { kind, tallies } of read) {
    for (const { order, answer, count } of tallies) {
      const key = `${order} ${answer}`;
      sums[kind].set(key, (sums[kind].get(key) ?? 0) + count);
    }
  }
  return [...new Set([...sums.page.keys(), ...sums.huge.keys()])].map((key) => {
    const [order = 0, answer = 0] = key.split(" ").map(Number);
    return { order, answer, count: Math.max(sums.page.get(key) ?? 0, sums.huge.get(key) ?? 0) };
  });
}
