/** Tables that leave columns out, or cut cells short, rather than have a terminal break their lines. */

import { paragraph } from "./wrapped.ts";
import { renderTable, type Column } from "./table.ts";
import type { TextLayout } from "./text-layout.ts";

export interface FittedColumn extends Column {
  /** The columns with the highest numbers go first where there is no room for all; one without a number never goes. */
  readonly dispensable?: number;
  /** Cells may be cut down to so many columns: before another column goes, but in one that never goes only in the end. */
  readonly shrinksTo?: number;
}

export interface FittedTable {
  readonly text: string;
  /** The titles of the columns left out. */
  readonly leftOut: readonly string[];
}

/** @param width columns of text that there is room for; Infinity where lines may be of any length */
export function fittedTable(
  columns: readonly FittedColumn[],
  rows: readonly (readonly string[])[],
  width: number,
): FittedTable {
  const natural = columns.map(({ title }, index) =>
    rows.reduce((most, row) => Math.max(most, (row[index] ?? "").length), title.length),
  );
  const order = columns
    .filter(({ dispensable }) => dispensable !== undefined)
    .sort((one, other) => (other.dispensable ?? 0) - (one.dispensable ?? 0));
  for (let count = 0; ; count += 1) {
    const leftOut = new Set(order.slice(0, count));
    const kept = [...columns.keys()].filter((index) => !leftOut.has(columns[index] ?? NO_COLUMN));
    const isLast = count === order.length;
    const least = kept.map((index) => {
      const { shrinksTo = Infinity, dispensable } = columns[index] ?? NO_COLUMN;
      return Math.min(natural[index] ?? 0, isLast || dispensable !== undefined ? shrinksTo : Infinity);
    });
    if (lineLength(least) > width && !isLast) continue;
    const widths = shrunk(
      kept.map((index) => natural[index] ?? 0),
      least,
      width,
    );
    const text = renderTable(
      kept.map((index, place) => {
        const column = columns[index] ?? NO_COLUMN;
        return { title: cut(column.title, widths[place] ?? 0), align: column.align };
      }),
      rows.map((row) => kept.map((index, place) => cut(row[index] ?? "", widths[place] ?? 0))),
    );
    return { text: cutLines(text, width), leftOut: order.slice(0, count).map(({ title }) => title) };
  }
}

/** The table, and below it what there was no room for. */
export function tableText(
  columns: readonly FittedColumn[],
  rows: readonly (readonly string[])[],
  { width, fit }: TextLayout,
): string {
  const { text, leftOut } = fittedTable(columns, rows, fit ? width : Infinity);
  if (leftOut.length === 0) return text;
  return `${text}${paragraph({ text: `There is no room here for ${leftOut.join(", ")}.`, width })}`;
}

const NO_COLUMN: FittedColumn = { title: "", align: "left" };
const BETWEEN = 2;

function lineLength(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, BETWEEN * Math.max(0, widths.length - 1));
}

/** Takes from the widest, one column of text after another, what is too much. */
function shrunk(natural: readonly number[], least: readonly number[], room: number): number[] {
  const widths = [...natural];
  for (let excess = lineLength(widths) - room; excess > 0; excess -= 1) {
    const widest = widths.reduce(
      (best, width, index) =>
        width > (least[index] ?? 0) && (best === -1 || width > (widths[best] ?? 0)) ? index : best,
      -1,
    );
    if (widest === -1) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

/** The text in so many columns, with a sign at its end that there was more. */
function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

function cutLines(text: string, width: number): string {
  return text
    .split("\n")
    .map((line) => cut(line, width))
    .join("\n");
}
