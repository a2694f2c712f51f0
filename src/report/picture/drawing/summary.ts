/** What a page of many drawings opens with: how each region is judged, the worst first, and what to do. */

import type { InspectedProcess, Inspection } from "../../../inspect/inspection.ts";
import type { Verdict } from "../../../inspect/judge/judge.ts";
import type { InspectedMapping } from "../../../inspect/judge/region-mappings.ts";
import { outcomeOf } from "../../../inspect/outcome.ts";
import { ownerInWords } from "../../../inspect/proc/owner.ts";
import { version } from "../../../version.ts";
import { counselKey, gatheredCounsel, type Counsel } from "../../text/counsel-for-many.ts";
import { figure, REFUSALS, sizes } from "../../text/mapping-cells.ts";
import { countOf, formatCount, roundedSize } from "../../text/numbers.ts";

/** A region that a process maps. */
export interface SummaryRow {
  readonly verdict: Verdict;
  /** `qemu-system-x86 (2100)` */
  readonly process: string;
  /** `domain web-01`; null where nothing tells more than the process's name. */
  readonly owner: string | null;
  /** `0000:01:00.0 region 2` */
  readonly region: string;
  readonly size: string;
  /** `16,777,216 → 64` */
  readonly faults: string;
  readonly pageTables: string;
  /** What stands in the way, with the place of its counsel in `counsel`. */
  readonly reasons: readonly { readonly code: string; readonly counsel: number }[];
  /** The place of its drawing in the picture; null where it is not drawn. */
  readonly drawing: number | null;
}

export interface Summary {
  /** Whose, when, by what: `host`, `web-1`. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** The sum of it: `4 of 7 regions fall short`. */
  readonly headline: string;
  /** What it costs: `3,149,824 page faults where 20 would do`; null where there is nothing to gain. */
  readonly cost: string | null;
  /** The verdicts that there are, worst first. */
  readonly verdicts: readonly { readonly verdict: Verdict; readonly count: number }[];
  /** What falls short or is not known, worst first. */
  readonly rows: readonly SummaryRow[];
  /** What is as good as possible. */
  readonly good: readonly SummaryRow[];
  /** What could not be looked at. */
  readonly refused: readonly string[];
  readonly counsel: readonly Counsel[];
}

/** A mapping, and whose it is. */
export interface Held {
  readonly process: InspectedProcess;
  readonly mapping: InspectedMapping;
}

const WORST_FIRST = ["wrong", "small", "partial", "unknown", "huge"] as const satisfies readonly Verdict[];

/** Of two that fall short, the one that costs more is the worse, whatever the word for it. */
const RANKS: Readonly<Record<Verdict, number>> = { wrong: 0, small: 1, partial: 1, unknown: 2, huge: 3 };

/** How many page faults there are to save, as far as is known. */
function gainOf({ mapping: { now, between, best } }: Held): number {
  return ((now ?? between?.[1])?.faults ?? 0) - (best?.faults ?? 0);
}

/** What shows wrong memory, then what costs most, then what is not known, then what is good. */
export function worstFirst<Each extends Held>(all: readonly Each[]): Each[] {
  return all.toSorted(
    (one, other) => RANKS[one.mapping.verdict] - RANKS[other.mapping.verdict] || gainOf(other) - gainOf(one),
  );
}

/** @param drawn what is drawn, in the order of the drawings */
export function summaryOf(inspection: Inspection, drawn: readonly Held[]): Summary {
  const all = worstFirst(
    inspection.processes.flatMap((process) => process.mappings.map((mapping) => ({ process, mapping }))),
  );
  const counsel = gatheredCounsel(
    all.map(({ process, mapping }) => ({ name: processInWords(process), remarks: mapping.reasons })),
  );
  const places = new Map<string, number>();
  for (const { mapping } of all) {
    for (const reason of mapping.reasons) {
      const key = counselKey(reason);
      if (!places.has(key)) places.set(key, places.size);
    }
  }
  const drawings = new Map(drawn.map(({ mapping }, index) => [mapping, index]));
  const rowOf = ({ process, mapping }: Held): SummaryRow => {
    const { identity, vmas, verdict, kind, reasons } = mapping;
    const device = identity.device ?? (kind === "mem" ? "/dev/mem" : "unknown device");
    const mapped = vmas.reduce((sum, { size }) => sum + size, 0);
    return {
      verdict,
      process: processInWords(process),
      owner: process.owner === null ? null : ownerInWords(process.owner),
      region: `${device} region ${identity.region ?? "?"}`,
      size: sizes(mapped, identity.regionSize),
      faults: figure("faults", mapping, formatCount),
      pageTables: figure("pageTableBytes", mapping, roundedSize),
      reasons: reasons.map((reason) => ({ code: reason.code, counsel: places.get(counselKey(reason)) ?? 0 })),
      drawing: drawings.get(mapping) ?? null,
    };
  };
  const { verdicts } = outcomeOf(inspection);
  return {
    facts: factsOf(inspection),
    headline: headlineOf(inspection),
    cost: costOf(all),
    verdicts: WORST_FIRST.flatMap((verdict) => {
      const count = verdicts[verdict];
      return count === 0 ? [] : [{ verdict, count }];
    }),
    rows: all.filter(({ mapping }) => mapping.verdict !== "huge").map(rowOf),
    good: all.filter(({ mapping }) => mapping.verdict === "huge").map(rowOf),
    refused: inspection.processes.flatMap((process) =>
      process.refused === null ? [] : [`${processInWords(process)}: ${REFUSALS[process.refused]}`],
    ),
    counsel,
  };
}

function processInWords({ command, pid }: InspectedProcess): string {
  return command === "" ? `process ${pid}` : `${command} (${pid})`;
}

function factsOf({ host, time, machine }: Inspection): Summary["facts"] {
  const { kernel, arch, thp } = machine;
  return [
    ["host", host ?? "not recorded"],
    ["time", time === null ? "not recorded" : `${time.slice(0, 19).replace("T", " ")} UTC`],
    ["kernel", `Linux ${kernel === "" ? "of an unknown version" : kernel}`],
    ["architecture", arch === "" ? "unknown" : arch],
    ["transparent huge pages", thp ?? "unknown"],
    ["hugebar", version()],
  ];
}

function headlineOf(inspection: Inspection): string {
  const { regions, verdicts, unreadable, hidden } = outcomeOf(inspection);
  const { small, partial, wrong, unknown } = verdicts;
  const short = small + partial + wrong;
  const inSight = unreadable > 0 || hidden ? " of what could be looked at" : "";
  if (regions === 0)
    return `No device memory is mapped${inSight === "" ? "" : " by what could be looked at"}`;
  if (short > 0) {
    return `${formatCount(short)} of ${countOf(regions, "region")} ${short === 1 ? "falls" : "fall"} short`;
  }
  if (unknown > 0) return `Of ${formatCount(unknown)} of ${countOf(regions, "region")} it is not known`;
  return `All${inSight} is as good as possible: ${countOf(regions, "region")}`;
}

function costOf(all: readonly Held[]): string | null {
  const known = all.filter(({ mapping: { now, best } }) => now !== null && best !== null);
  const sum = (of: (held: Held) => number): number => known.reduce((total, held) => total + of(held), 0);
  const [faults, best] = [
    sum(({ mapping }) => mapping.now?.faults ?? 0),
    sum(({ mapping }) => mapping.best?.faults ?? 0),
  ];
  if (faults <= best) return null;
  const tables = sum(({ mapping }) => mapping.now?.pageTableBytes ?? 0);
  const least = sum(({ mapping }) => mapping.best?.pageTableBytes ?? 0);
  return `${formatCount(faults)} page faults where ${formatCount(best)} would do, ${roundedSize(tables)} of page tables where ${roundedSize(least)} would`;
}
