/** Traced leaves of guests, as text and as JSON. */

import type { GuestLeafCount } from "../../inspect/trace/guest-leaves.ts";
import { formatSize } from "../../layout/sizes.ts";
import { tableText } from "./fitted-table.ts";
import { formatCount } from "./numbers.ts";
import type { TextLayout } from "./text-layout.ts";
import { holderCells, HOLDER_COLUMNS, missedInWords } from "./trace-columns.ts";
import { paragraph } from "./wrapped.ts";

export interface GuestTraceSummary {
  readonly leaves: readonly {
    readonly count: GuestLeafCount;
    /** Empty where the process was gone. */
    readonly command: string;
  }[];
  /** Leaves that were laid and could not be counted. */
  readonly lost: number;
  readonly seconds: number;
}

const COLUMNS = [...HOLDER_COLUMNS, { title: "LAID", align: "right" }] as const;

export function guestTraceText({ leaves, lost, seconds }: GuestTraceSummary, layout: TextLayout): string {
  const rows = leaves.map(({ count: { pid, device, region, size, laid }, command }) => [
    ...holderCells(pid, command, device, region, formatSize(size)),
    formatCount(laid),
  ]);
  const table = rows.length === 0 ? "" : `${tableText(COLUMNS, rows, layout)}\n`;
  const laid = leaves.reduce((sum, { count }) => sum + count.laid, 0);
  const text = `${formatCount(laid)} ${laid === 1 ? "leaf" : "leaves"} laid for guests over device memory in ${seconds.toFixed(1)} s${missedInWords(lost)}.`;
  return `${table}${paragraph({ text, width: layout.width })}`;
}

/** The stable JSON (schemaVersion 1). */
export function guestTraceJson({ leaves, lost, seconds }: GuestTraceSummary, kernel: string): object {
  return {
    schemaVersion: 1,
    kernel,
    seconds,
    lost,
    guestLeaves: leaves.map(({ count: { pid, device, region, size, laid }, command }) => ({
      pid: pid === 0 ? null : pid,
      command,
      device,
      region,
      size,
      laid,
    })),
  };
}
