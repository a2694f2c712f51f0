/** What the tables of traced faults and of traced leaves have in common: whose they are, and on what. */

import { formatCount } from "./numbers.ts";
import { printable } from "./printable.ts";

/** The narrower a table, the earlier the command goes, then the device. */
export const HOLDER_COLUMNS = [
  { title: "PID", align: "right" },
  { title: "COMMAND", align: "left", shrinksTo: 8, dispensable: 3 },
  { title: "DEVICE", align: "left", shrinksTo: 12, dispensable: 2 },
  { title: "REGION", align: "left" },
  { title: "LEAF", align: "right" },
] as const;

/** The cells of these columns. What was gone before it could be looked at has question marks. */
export function holderCells(
  pid: number,
  command: string,
  device: string | null,
  region: number | null,
  leaf: string,
): string[] {
  return [
    pid === 0 ? "?" : String(pid),
    command === "" ? "?" : printable(command),
    printable(device ?? "?"),
    String(region ?? "?"),
    leaf,
  ];
}

/** What is said behind a sum of what came faster than it was read; empty where nothing did. */
export function missedInWords(lost: number): string {
  return lost === 0 ? "" : `; ${formatCount(lost)} came too fast and are not counted`;
}
