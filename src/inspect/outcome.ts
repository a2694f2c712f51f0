/** What an inspection comes to, counted in this one place for texts, JSON and exit codes alike. */

import type { Inspection } from "./inspection.ts";
import type { Verdict } from "./judge/judge.ts";

export interface Outcome {
  /** Processes that were to be looked at. */
  readonly processes: number;
  /** Those that map device memory. */
  readonly holders: number;
  /** Regions mapped, by their verdict. */
  readonly verdicts: Readonly<Record<Verdict, number>>;
  readonly regions: number;
  /** Processes that there are and that could not be looked at: not permitted, or unreadable. */
  readonly unreadable: number;
  /** Of these, those that more rights would show. */
  readonly notPermitted: number;
  /** Whether there may be others that were not even listed (hidepid). */
  readonly hidden: boolean;
  /** Processes asked for that are not there. */
  readonly gone: number;
  /**
   * 1: something falls short. 4: nothing falls short in what could be judged, and not all could. 0: all is as good as
   * possible.
   */
  readonly exitCode: 0 | 1 | 4;
}

export function outcomeOf({ scanned, hidden, processes }: Inspection): Outcome {
  const verdicts = { huge: 0, partial: 0, small: 0, wrong: 0, unknown: 0 };
  /** Where memory slots of guests lie on them, which has a verdict of its own. */
  const guests = { huge: 0, partial: 0, small: 0, wrong: 0, unknown: 0 };
  let holders = 0;
  const refused = { gone: 0, "not-permitted": 0, unreadable: 0 };
  for (const process of processes) {
    if (process.mappings.length > 0) holders += 1;
    if (process.refused !== null) refused[process.refused] += 1;
    for (const { verdict } of process.mappings) verdicts[verdict] += 1;
    for (const { verdict } of process.guests?.pieces ?? []) guests[verdict] += 1;
  }
  const unreadable = refused["not-permitted"] + refused.unreadable;
  const isShort = ({ small, partial, wrong }: typeof verdicts): boolean => small + partial + wrong > 0;
  const fallsShort = isShort(verdicts) || isShort(guests);
  const isBlind = hidden || unreadable + verdicts.unknown + guests.unknown > 0;
  return {
    processes: scanned,
    holders,
    verdicts,
    regions: Object.values(verdicts).reduce((sum, count) => sum + count, 0),
    unreadable,
    notPermitted: refused["not-permitted"],
    hidden,
    gone: refused.gone,
    exitCode: fallsShort ? 1 : isBlind ? 4 : 0,
  };
}
