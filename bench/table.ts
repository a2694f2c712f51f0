/** The table of results: for the terminal, and for the page between two markers. */

import { renderTable, type Column } from "../src/report/text/table.ts";
import type { Verdict } from "./bars.ts";

/** A row with its result. */
export interface TableRow extends Verdict {
  readonly what: string;
  readonly against: string;
}

const COLUMNS: readonly Column[] = [
  { title: "what", align: "left" },
  { title: "hugebar", align: "right" },
  { title: "against", align: "left" },
  { title: "its figure", align: "right" },
  { title: "compared", align: "right" },
  { title: "bar", align: "left" },
  { title: "", align: "left" },
];

/** The table in columns, for a terminal. */
export function terminalTable(rows: readonly TableRow[]): string {
  return renderTable(COLUMNS, rows.map(cellsOf));
}

/** The table in Markdown. */
export function markdownTable(rows: readonly TableRow[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
  return [
    line(COLUMNS.map(({ title }) => title)),
    line(COLUMNS.map(({ align }) => (align === "right" ? "---:" : "---"))),
    ...rows.map((row) => line(cellsOf(row))),
  ].join("");
}

/** Which bars are missed, in a sentence. */
export function missedBars(rows: readonly TableRow[]): string {
  const missed = rows.filter(({ met }) => met === false).map(({ what, figure }) => `${what} (${figure})`);
  const uncompared = rows.filter(({ met }) => met === null).length;
  const verdict =
    missed.length === 0 ? "No bar that could be measured is missed." : `Missed: ${missed.join("; ")}.`;
  return uncompared === 0 ? verdict : `${verdict} Not compared: ${uncompared} of ${rows.length} rows.`;
}

const END = "<!-- to here -->\n";

/**
 * Puts `text` between the page's two markers.
 *
 * @param writer the command that the first of them names
 */
export function replaceBetweenMarkers(page: string, text: string, writer = "npm run bench"): string {
  const opening = `<!-- ${writer} writes from here -->\n`;
  const begin = page.indexOf(opening);
  const end = page.indexOf(END);
  if (begin === -1 || end < begin)
    throw new Error(`the page lacks its markers, ${opening.trim()} ${END.trim()}`);
  return `${page.slice(0, begin + opening.length)}\n${text}\n${page.slice(end)}`;
}

function cellsOf({ what, hugebar, against, peer, figure, bar, met }: TableRow): string[] {
  return [what, hugebar, against, peer, figure, bar, met === null ? "not compared" : met ? "met" : "missed"];
}
