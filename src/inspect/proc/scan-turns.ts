/** The share of several threads in one list of processes: each takes some in turn, until none is left. */

import { findDeviceVmas, type FoundVma } from "./device-vmas.ts";
import { scanBuffer } from "./maps-scanner.ts";
import type { Unreadable } from "./read-file.ts";

/** What one process has mapped of devices, in ascending order, or why that cannot be read. */
export interface ScannedProcess {
  readonly pid: number;
  readonly found: readonly FoundVma[] | Unreadable;
}

/** The numbers that the threads share. */
export type Turns = Int32Array<SharedArrayBuffer>;
/** Where it stands how many processes are taken. */
const TAKEN = 0;
/** Where it stands what the helping thread does: nothing yet (0), or one of the following. */
export const HELPER = 1;
export const TAKING = 1;
/** Its finds are posted. */
export const DONE = 2;

/** So many processes at once that the threads seldom meet, and that neither waits long for the other in the end. */
const TURN = 32;

export function newTurns(): Turns {
  return new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
}

/** Scans the maps of all processes that no other thread has taken; returns those in which there was anything to find. */
export function scanTurns(proc: string, pids: readonly number[], turns: Turns): ScannedProcess[] {
  const buffer = scanBuffer();
  const scanned: ScannedProcess[] = [];
  for (;;) {
    const first = Atomics.add(turns, TAKEN, TURN);
    if (first >= pids.length) return scanned;
    for (const pid of pids.slice(first, first + TURN)) {
      const found = findDeviceVmas(proc, pid, buffer);
      if (found.length > 0) scanned.push({ pid, found });
    }
  }
}
