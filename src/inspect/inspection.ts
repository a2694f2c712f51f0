/** What an inspection tells: the machine, and its processes. */

import type { InspectedGuestPiece } from "./judge/guest-slots.ts";
import type { GuestCounters, SecondStageUse } from "./proc/guest-counters.ts";
import type { LearnedKernel } from "../rules/learned.ts";
import type { Machine } from "./proc/machine.ts";
import { readOwner, type Owner } from "./proc/owner.ts";
import { readCommand } from "./proc/process.ts";
import { recordedProcesses, type WhereAndWhen } from "./proc/recorded.ts";
import type { Right } from "./proc/rights.ts";
import type { Unreadable } from "./proc/read-file.ts";
import type { InspectedMapping } from "./judge/region-mappings.ts";

/** The virtual machines of KVM that a process made. */
export interface InspectedGuests {
  /** What the kernel counts of each, its memory included; none where debugfs may not be read. */
  readonly counters: readonly GuestCounters[];
  /** Second-stage tables of its control group; null where they cannot be read. */
  readonly secondStage: SecondStageUse | null;
  /** By slot and mapping; null where page tables were not read. */
  readonly pieces: readonly InspectedGuestPiece[] | null;
}

export interface InspectedProcess {
  readonly pid: number;
  /** The process's name; empty where it cannot be read. */
  readonly command: string;
  /** Whose it is; null where nothing tells more than its name. */
  readonly owner: Owner | null;
  /** Bytes of page tables it really has; null where they cannot be read. */
  readonly vmPteBytes: number | null;
  readonly mappings: readonly InspectedMapping[];
  /** What its guests get of them; null where it has no guests that are known of. */
  readonly guests: InspectedGuests | null;
  /** Why its mappings could not be read; null where they could. */
  readonly refused: Unreadable | null;
}

export interface Inspection extends WhereAndWhen {
  readonly machine: Machine;
  /** How many processes were to be looked at. */
  readonly scanned: number;
  /** Whether there may be others that were not even listed (hidepid); false where processes were asked for. */
  readonly hidden: boolean;
  /** The rights to look into others that hugebar lacks. */
  readonly lacking: readonly Right[];
  /** Those with device mappings, and those that could not be read, by number. */
  readonly processes: readonly InspectedProcess[];
  /** What was learned of the running kernel, for the next look. */
  readonly learned: LearnedKernel;
}

/** How many processes were to be looked at: all that there were, or those asked for. */
export function countOfProcesses(proc: string, scanned: number, asked: boolean): number {
  return asked ? scanned : (recordedProcesses(proc) ?? scanned);
}

/**
 * The row of a process that could not be read; null for one that ended between the listing and the reading: only who
 * asked for it hears of it.
 */
export function refusedProcess(
  proc: string,
  pid: number,
  refused: Unreadable,
  asked: boolean,
): InspectedProcess | null {
  if (refused === "gone" && !asked) return null;
  const command = readCommand(proc, pid);
  // For who is looked at only: a machine has thousands of others that may not be.
  const owner = asked ? readOwner(proc, pid) : null;
  return { pid, command, owner, vmPteBytes: null, mappings: [], guests: null, refused };
}
