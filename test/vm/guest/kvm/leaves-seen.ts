/** What is seen of a guest's second stage: by the page tables, by what KVM counts, and what the rules say of the same. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";

import { inspectMachine } from "../../../../src/inspect/inspect.ts";
import { inspectTables } from "../../../../src/inspect/inspect-tables.ts";
import type { InspectedProcess } from "../../../../src/inspect/inspection.ts";
import type { InspectedGuestPiece } from "../../../../src/inspect/judge/guest-slots.ts";
import { LIVE } from "../../../../src/inspect/proc/machine.ts";
import type { LeafCount } from "../../../../src/layout/leaves.ts";
import { leavesAt } from "../touching.ts";

/** How many leaves there are of each size. */
export type Leaves = Record<number, number>;

/** What inspect --tables says of a process that has a virtual machine. */
export function inspectMonitor(
  pid: number,
): InspectedProcess & { readonly pieces: readonly InspectedGuestPiece[] } {
  const [own] = inspectTables(inspectMachine(LIVE, [pid], { smaps: "never" })).processes;
  assert.ok(own?.guests?.pieces !== null && own?.guests !== undefined && own.guests !== null);
  return { ...own, pieces: own.guests.pieces };
}

export function total(lists: readonly (readonly LeafCount[])[]): Leaves {
  const counts: Leaves = {};
  for (const { size, count } of lists.flat()) counts[size] = (counts[size] ?? 0) + count;
  return counts;
}

/** What the page tables hold of these pieces. */
export function leavesRead(pieces: readonly InspectedGuestPiece[]): Leaves {
  return total(
    pieces.map(({ reading }) => {
      assert.equal(reading.state, "read");
      return reading.state === "read" ? reading.leaves : [];
    }),
  );
}

/** What the rules say there is of these pieces, once their guest has touched the offsets, each in bytes from its start. */
export function leavesPredicted(
  pieces: readonly InspectedGuestPiece[],
  offsetsOf: (piece: InspectedGuestPiece) => readonly number[],
): Leaves {
  return total(
    pieces.map((piece) => {
      assert.ok(piece.spans !== null);
      const offsets = offsetsOf(piece).filter((offset) => offset >= 0 && offset < piece.size);
      return leavesAt(piece.spans, offsets).tally;
    }),
  );
}

const COUNTERS = [
  ["pages_1g", 2 ** 30],
  ["pages_2m", 2 ** 21],
  ["pages_4k", 4096],
] as const;

/** Leaves of the second stage that KVM counts for the only virtual machine of a process, its memory's among them. */
export function leavesCounted(pid: number): Leaves {
  const folder = "/sys/kernel/debug/kvm";
  const [machine, ...others] = readdirSync(folder).filter((name) => name.startsWith(`${pid}-`));
  assert.ok(machine !== undefined && others.length === 0);
  return Object.fromEntries(
    COUNTERS.map(([counter, size]) => [
      size,
      Number(readFileSync(`${folder}/${machine}/${counter}`, "utf8")),
    ]),
  );
}

/** What has come between two counts. */
export function grown(before: Leaves, after: Leaves): Leaves {
  return Object.fromEntries(
    Object.entries(after).flatMap(([size, count]) => {
      const more = count - (before[Number(size)] ?? 0);
      return more === 0 ? [] : [[size, more]];
    }),
  );
}
