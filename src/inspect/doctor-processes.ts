/** What there is to say about a machine's processes: the good ones in a line, the others by cause. */

import { gathered, shortened, someOf, type Finding } from "./finding.ts";
import type { InspectedProcess, Inspection } from "./inspection.ts";
import { regionInWords, type InspectedMapping } from "./judge/region-mappings.ts";
import { counselOf } from "./judge/own-miss.ts";
import { outcomeOf } from "./outcome.ts";
import { ownerInWords } from "./proc/owner.ts";
import { rightsCounsel } from "./proc/rights.ts";

/** Causes that a page has room for. */
const MOST = 6;

interface Held {
  readonly process: InspectedProcess;
  readonly mapping: InspectedMapping;
}

export function processFindings(inspection: Inspection): Finding[] {
  const held = inspection.processes.flatMap((process) =>
    process.mappings.map((mapping): Held => ({ process, mapping })),
  );
  const good = held.filter(({ mapping }) => mapping.verdict === "huge");
  const others = gathered(
    held.filter(({ mapping }) => mapping.verdict !== "huge"),
    causeOf,
  ).map(causeFinding);
  // What falls short before what is not known.
  const ordered = others.toSorted(
    (one, other) => Number(one.state === "note") - Number(other.state === "note"),
  );
  return [
    ...shortened(ordered, MOST, "hugebar inspect"),
    ...(good.length === 0 ? [] : [goodFinding(good)]),
    ...refusedFindings(inspection, held.length),
  ];
}

/** The same counsel is said once, wherever the address misses. */
function causeOf({ mapping: { verdict, reasons } }: Held): string {
  return `${verdict} ${reasons[0]?.code ?? ""} ${counselOf(reasons[0]?.advice ?? "")}`;
}

function causeFinding(alike: readonly Held[]): Finding {
  const [first] = alike;
  const { verdict = "unknown", reasons = [] } = first?.mapping ?? {};
  const [reason] = reasons;
  const why = reason === undefined ? verdict : `${verdict}, ${reason.code}`;
  const names = alike.map(({ process, mapping }) => `${regionInWords(mapping)} in ${nameOf(process)}`);
  const advice = reason?.advice ?? null;
  return {
    topic: "process",
    state: verdict === "unknown" ? "note" : "problem",
    text: `${why}: ${someOf(names)}`,
    todo: advice === null || alike.length === 1 ? advice : counselOf(advice),
  };
}

function nameOf({ pid, command, owner }: InspectedProcess): string {
  return `${pid} ${command}${owner === null ? "" : ` (${ownerInWords(owner)})`}`;
}

function goodFinding(good: readonly Held[]): Finding {
  const holders = new Set(good.map(({ process }) => process.pid)).size;
  const regions = good.length === 1 ? "1 region is" : `${good.length} regions are`;
  const text = `${regions} huge, in ${holders} ${holders === 1 ? "process" : "processes"}`;
  return { topic: "process", state: "good", text, todo: null };
}

function refusedFindings(inspection: Inspection, held: number): Finding[] {
  const { processes, unreadable, notPermitted, hidden } = outcomeOf(inspection);
  const moreRights = rightsCounsel(inspection.lacking);
  const findings: Finding[] = [];
  const note = (text: string, todo: string | null): void => {
    findings.push({ topic: "process", state: "note", text, todo });
  };
  if (unreadable > 0) {
    const todo = notPermitted > 0 ? moreRights : null;
    note(`${unreadable} of ${processes} processes could not be looked at`, todo);
  } else if (held === 0) {
    note(`None of ${processes} processes${hidden ? " that are shown" : ""} maps device memory`, null);
  }
  if (hidden) note("Other processes may be there, and hidden: /proc is mounted with hidepid", moreRights);
  return findings;
}
