/**
 * Which processes' smaps are read. Reading it has the kernel walk all page tables of a process, and takes its leaves of 1 GiB
 * apart, those of its guests with them (mm/pagewalk.c, walk_pud_range): so what holds for the running kernel is learned of as
 * few processes as it takes, and only what the kernel leaves to each process is asked of each.
 */

import { join } from "node:path";
import type { PagingModel } from "../../layout/paging.ts";
import { readSmaps, type SmapsEntry } from "../../memory/smaps.ts";
import { worthOfSmaps, type MappingState } from "../../rules/evidence.ts";
import { hangsOnKernel, learn, lookOf } from "../../rules/learn.ts";
import type { LearnedKernel } from "../../rules/learned.ts";
import { advisesAll } from "../../rules/program.ts";
import type { Machine } from "../proc/machine.ts";
import { isProcfs } from "../proc/process.ts";
import { stateOf, type DeviceVma, type Holder } from "./gate.ts";

/**
 * How much of smaps is read:
 *
 * - `thorough`: of each process where it could change its verdict, also if only by advice against huge pages
 * - `needed`: of as few processes as decide what the kernel does, and of those whose own advice decides and is not known
 * - `once`: of one process at most for each thing that is not known of the kernel, and was not looked at before
 * - `never`: none
 */
export type SmapsUse = "thorough" | "needed" | "once" | "never";

export interface SmapsSurvey {
  /** What smaps says, by process and by where the mapping starts. */
  readonly smaps: ReadonlyMap<number, ReadonlyMap<bigint, SmapsEntry>>;
  readonly learned: LearnedKernel;
}

/** Reads what there is to read, and learns from it. A recorded machine's are files, of which each is read. */
export function surveySmaps(
  machine: Machine,
  holders: readonly Holder[],
  use: SmapsUse,
  known: LearnedKernel,
): SmapsSurvey {
  const { model, roots } = machine;
  if (model === null) return { smaps: new Map(), learned: known };
  const isLive = isProcfs(roots.proc);
  const survey = startSurvey(machine, model, known, isLive);
  if (!isLive || use === "thorough") {
    for (const holder of holders) {
      const told = new Set(holder.found.map((mapping) => survey.worth(holder, mapping, null)));
      // What was recorded is read for nothing, and may say more than the kernel's name.
      const isWorthIt = told.has("needed") || (told.has("cheap") && hasFewTables(holder));
      if (!isLive || isWorthIt) survey.read(holder);
    }
  } else if (use !== "never") {
    learnOfFew(survey, byPageTables(holders), use === "once");
    // Whoever looks again would miss what was asked of one process alone.
    if (use === "once") return { smaps: new Map(), learned: survey.learned() };
    for (const holder of holders) {
      const advised = advisesAll(holder.program);
      if (holder.found.some((mapping) => survey.worth(holder, mapping, advised) === "needed"))
        survey.read(holder);
    }
  }
  return { smaps: survey.smaps, learned: survey.learned() };
}

interface Survey {
  readonly smaps: Map<number, ReadonlyMap<bigint, SmapsEntry>>;
  learned(): LearnedKernel;
  stateOf(holder: Holder, mapping: DeviceVma, advised: boolean | null): MappingState;
  worth(holder: Holder, mapping: DeviceVma, advised: boolean | null): ReturnType<typeof worthOfSmaps>;
  /** Reads a process's, unless that was done; false where it is gone, or not to be looked at. */
  read(holder: Holder): boolean;
  /** Notes that such a mapping was looked at. */
  note(look: string): void;
}

function startSurvey(machine: Machine, model: PagingModel, known: LearnedKernel, isLive: boolean): Survey {
  const smaps: Survey["smaps"] = new Map();
  let learned = known;
  const survey: Survey = {
    smaps,
    learned: () => learned,
    stateOf: (holder, mapping, advised) => ({ ...stateOf(machine, holder, mapping, null), advised }),
    worth: (holder, mapping, advised) =>
      worthOfSmaps(survey.stateOf(holder, mapping, advised), mapping.vma, model, learned),
    read(holder) {
      if (smaps.has(holder.pid)) return true;
      const asked = holder.found.filter(
        (mapping) => !isLive || survey.worth(holder, mapping, null) !== "useless",
      );
      const entries = readOrNull(machine, holder.pid, asked);
      if (entries === null) return false;
      smaps.set(holder.pid, entries);
      for (const mapping of asked) {
        const entry = entries.get(mapping.vma.start);
        if (entry !== undefined) learned = learn(learned, stateOf(machine, holder, mapping, entry));
      }
      return true;
    },
    note: (look) => {
      learned = { ...learned, lookedAt: [...new Set([...learned.lookedAt, look])] };
    },
  };
  return survey;
}

/** Reads smaps of one process after another, until what can be known of the kernel is, or each has been asked. */
function learnOfFew(survey: Survey, holders: readonly Holder[], once: boolean): void {
  for (const holder of holders) {
    for (const mapping of holder.found) {
      const state = survey.stateOf(holder, mapping, advisesAll(holder.program));
      const isTelling = state.suitable && survey.worth(holder, mapping, state.advised) === "needed";
      if (!isTelling || !hangsOnKernel(state, survey.learned())) continue;
      const look = lookOf(state);
      if (once && survey.learned().lookedAt.includes(look)) continue;
      if (!survey.read(holder)) break;
      survey.note(look);
    }
  }
}

/** Those first for which the kernel has the least to walk. */
function byPageTables(holders: readonly Holder[]): Holder[] {
  const size = ({ status: { vmPteBytes } }: Holder): number => vmPteBytes ?? Number.MAX_SAFE_INTEGER;
  return holders.toSorted((one, other) => size(one) - size(other));
}

/**
 * The kernel walks a process's page tables whole to write smaps: with 4 KiB pages, so many bytes of them (of memory of
 * 64 GiB) take it some tenths of a second.
 */
const FEW_PAGE_TABLES = 128 * 1024 * 1024;

function hasFewTables({ status: { vmPteBytes } }: Holder): boolean {
  return (vmPteBytes ?? Infinity) <= FEW_PAGE_TABLES;
}

function readOrNull(
  { roots }: Machine,
  pid: number,
  asked: readonly DeviceVma[],
): ReadonlyMap<bigint, SmapsEntry> | null {
  try {
    return readSmaps(join(roots.proc, `${pid}/smaps`), new Set(asked.map(({ vma }) => vma.start)));
  } catch {
    return null;
  }
}
