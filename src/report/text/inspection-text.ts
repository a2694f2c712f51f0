/** An inspection as text: one row for each region that a process maps, and below them what to do about it. */

import { styleText } from "node:util";
import type { Inspection, InspectedProcess } from "../../inspect/inspection.ts";
import { outcomeOf, type Outcome } from "../../inspect/outcome.ts";
import type { Verdict } from "../../inspect/judge/judge.ts";
import type { EvidenceSource } from "../../rules/evidence.ts";
import type { InspectedMapping } from "../../inspect/judge/region-mappings.ts";
import { gatheredCounsel, type AdvisedRow } from "./counsel-for-many.ts";
import { tableText } from "./fitted-table.ts";
import { figure, REFUSALS, sizes } from "./mapping-cells.ts";
import { countOf, formatCount, roundedSize } from "./numbers.ts";
import { ownerInWords } from "../../inspect/proc/owner.ts";
import { rightsCounsel } from "../../inspect/proc/rights.ts";
import { printable } from "./printable.ts";
import { tablesText } from "./tables-text.ts";
import type { TextLayout } from "./text-layout.ts";
import { paragraph, wrapped } from "./wrapped.ts";

export interface InspectionTextOptions extends TextLayout {
  /** Show what is as good as possible too, and each process that could not be read. */
  readonly all: boolean;
}

interface Row extends AdvisedRow {
  readonly cells: readonly string[];
  readonly verdict: Verdict | null;
}

const COLUMNS = [
  { title: "PID", align: "right" },
  { title: "COMMAND", align: "left", shrinksTo: 8, dispensable: 3 },
  // Left out where nobody has one.
  { title: "OWNER", align: "left", shrinksTo: 12, dispensable: 4 },
  { title: "DEVICE", align: "left", shrinksTo: 12, dispensable: 1 },
  { title: "REGION", align: "left", shrinksTo: 6, dispensable: 2 },
  { title: "SIZE", align: "right", shrinksTo: 7 },
  { title: "FAULTS", align: "right", dispensable: 5 },
  { title: "PAGE TABLES", align: "right", dispensable: 6 },
  { title: "VMPTE", align: "right", dispensable: 8 },
  { title: "VERDICT", align: "left" },
  // What the verdict is known by.
  { title: "EVIDENCE", align: "left", dispensable: 7 },
  // What the advice below begins with.
  { title: "REASONS", align: "left", shrinksTo: 10 },
] as const;
const OWNER = COLUMNS.findIndex(({ title }) => title === "OWNER");

export function inspectionText(inspection: Inspection, options: InspectionTextOptions): string {
  const rows = inspection.processes.flatMap((each) => rowsOf(each, options.all));
  const table = rows.length === 0 ? [] : [tableOf(rows, options)];
  const read = tablesText(inspection, options, options.all);
  const advice = adviceOn([...rows, ...read.rows]).map(
    (text) => `${wrapped(text, options.width, "  ").join("\n")}\n`,
  );
  const summary = summaryOf(inspection, options.all, options.width);
  return [...table, ...read.tables, ...advice, ...(summary === "" ? [] : [summary])].join("\n");
}

function rowsOf(each: InspectedProcess, all: boolean): Row[] {
  const { pid, command, owner, refused, mappings, vmPteBytes } = each;
  const process = [String(pid), printable(command), owner === null ? "" : printable(ownerInWords(owner))];
  const vmPte = vmPteBytes === null ? "?" : roundedSize(vmPteBytes);
  if (refused !== null) {
    const cells = [...process, "?", "?", "?", "?", "?", vmPte, REFUSALS[refused], "", ""];
    return all ? [{ name: String(pid), cells, verdict: null, remarks: [] }] : [];
  }
  return mappings
    .filter(({ verdict }) => all || verdict !== "huge")
    .map((mapping) => {
      const { verdict, reasons, identity, source } = mapping;
      const codes = reasons.map(({ code }) => code).join(", ");
      return {
        name: `${pid} region ${identity.region ?? "?"}`,
        cells: [...process, ...cellsOf(mapping), vmPte, verdict, SOURCES[source], codes],
        verdict,
        remarks: reasons.some(({ code }) => code === "device-unknown")
          ? reasons
          : [...reasons, ...whichOf(mapping)],
      };
    });
}

interface Remark {
  readonly code: string;
  readonly advice: string;
}

/** The devices it may be, where nothing but that hangs on which it is. */
function whichOf({ kind, identity: { couldBe } }: InspectedMapping): Remark[] {
  if (couldBe.length === 0) return [];
  // Physical addresses tell whose they are, and may be several devices'.
  const which = kind === "mem" ? "it shows memory of" : "it is one of";
  return [{ code: "device", advice: `${which} ${couldBe.join(", ")}` }];
}

const SOURCES: Readonly<Record<EvidenceSource, string>> = {
  version: "version",
  THPeligible: "THPeligible",
  "file-offset": "file offset",
  VmPTE: "VmPTE",
  trace: "trace",
  "page-tables": "page tables",
};

function cellsOf({ identity, vmas, now, between, best, kind }: InspectedMapping): string[] {
  const { device, region, regionSize, offset } = identity;
  const start = offset === null || offset === 0 ? "" : `+0x${offset.toString(16)}`;
  const size = vmas.reduce((sum, vma) => sum + vma.size, 0);
  return [
    printable(device ?? (kind === "mem" ? "/dev/mem" : "?")),
    `${region ?? "?"}${start}`,
    sizes(size, regionSize),
    figure("faults", { now, between, best }, formatCount),
    figure("pageTableBytes", { now, between, best }, roundedSize),
  ];
}

function tableOf(rows: readonly Row[], { width, fit, colour }: InspectionTextOptions): string {
  const owned = rows.some((row) => (row.cells[OWNER] ?? "") !== "");
  const columns = COLUMNS.filter((_, index) => owned || index !== OWNER);
  const cells = rows.map((row) => (owned ? row.cells : row.cells.toSpliced(OWNER, 1)));
  const [titles = "", ...lines] = tableText(columns, cells, { width, fit, colour }).split("\n");
  const start = titles.indexOf("VERDICT");
  return [
    titles,
    ...lines.map((line, index) => painted(line, start, rows[index]?.verdict ?? null, colour)),
  ].join("\n");
}

/** What to do, each piece of counsel once, with those it is for, wherever each of them misses. */
function adviceOn(rows: readonly AdvisedRow[]): string[] {
  return gatheredCounsel(rows).map(({ code, name, others, text }) => {
    const more = others === 0 ? "" : ` and ${countOf(others, "other")}`;
    return `${code} (${name}${more}): ${text}.`;
  });
}

const COLOURS = { huge: "green", partial: "yellow", small: "red", wrong: "red", unknown: "magenta" } as const;

/** Colours the verdict, which begins the last column. */
function painted(line: string, start: number, verdict: Verdict | null, colour: boolean): string {
  if (!colour || verdict === null) return line;
  const end = start + verdict.length;
  const styled = styleText(COLOURS[verdict], line.slice(start, end), { validateStream: false });
  return line.slice(0, start) + styled + line.slice(end);
}

function summaryOf(inspection: Inspection, all: boolean, width: number): string {
  const outcome = outcomeOf(inspection);
  const { processes, regions, holders, notPermitted, unreadable, hidden, gone } = outcome;
  const readable = processes - unreadable - gone;
  const among =
    readable < processes
      ? `the ${formatCount(readable)} of ${processCount(processes)} that could be looked at`
      : hidden
        ? `the ${processCount(processes)} that can be seen`
        : processes === 1
          ? "the process"
          : `any of ${processCount(processes)}`;
  const found =
    regions > 0
      ? [`${countOf(regions, "region")} mapped by ${processCount(holders)}: ${verdictsOf(outcome, all)}.`]
      : // Of those that nobody could look at, the table and what follows say why.
        readable === 0 && processes > 0
        ? []
        : [`No device memory is mapped by ${among}.`];
  const blind = [
    ...(notPermitted === 0
      ? []
      : [`${processCount(notPermitted)} may not be looked at: ${rightsCounsel(inspection.lacking)}.`]),
    ...(hidden
      ? [
          `Other processes may be hidden, for /proc is mounted with hidepid: ${rightsCounsel(inspection.lacking)}.`,
        ]
      : []),
    ...(unreadable === notPermitted ? [] : [`${processCount(unreadable - notPermitted)} could not be read.`]),
  ];
  return [...found, ...blind].map((text) => paragraph({ text, width })).join("");
}

function verdictsOf({ verdicts }: Outcome, all: boolean): string {
  const counts = (["wrong", "small", "partial", "unknown", "huge"] as const).flatMap((verdict) => {
    const count = verdicts[verdict];
    if (count === 0) return [];
    return [`${formatCount(count)} ${verdict}${verdict === "huge" && !all ? " (--all shows them)" : ""}`];
  });
  return counts.join(", ");
}

function processCount(count: number): string {
  return count === 1 ? "1 process" : `${formatCount(count)} processes`;
}
