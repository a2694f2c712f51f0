/** Tables that leave columns out rather than have a terminal break their lines. */

import { renderTable, type Column } from "./table.ts";

export interface FittedColumn extends Column {
  /** The columns with the highest numbers go first where there is no room for all; one without a number never goes. */
  readonly dispensable?: number;
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
  const order = columns
    .filter(({ dispensable }) => dispensable !== undefined)
    .sort((one, other) => (other.dispensable ?? 0) - (one.dispensable ?? 0));
  for (let count = 0; ; count += 1) {
    const leftOut = new Set(order.slice(0, count));
    const kept = columns.filter((column) => !leftOut.has(column));
    const text = renderTable(
      kept,
      rows.map((row) => row.filter((_, index) => kept.some((column) => column === columns[index]))),
    );
    const fits = text.split("\n").every((line) => line.length <= width);
    if (fits || count === order.length)
      return { text, leftOut: order.slice(0, count).map(({ title }) => title) };
  }
}
