/** Traced faults as text. */

import type { TracedFaults } from "../../inspect/trace/traced-faults.ts";
import { formatSize } from "../../layout/sizes.ts";
import { countOf, formatCount } from "./numbers.ts";
import { printable } from "./printable.ts";
import { renderTable } from "./table.ts";

export interface TraceSummary {
  readonly faults: readonly TracedFaults[];
  /** Faults that happened and could not be counted. */
  readonly lost: number;
  readonly seconds: number;
  /** Bytes; null where it is not known. */
  readonly pageSize: number | null;
}

const COLUMNS = [
  { title: "PID", align: "right" },
  { title: "COMMAND", align: "left" },
  { title: "DEVICE", align: "left" },
  { title: "REGION", align: "left" },
  { title: "LEAF", align: "right" },
  { title: "DONE", align: "right" },
  { title: "FELL BACK", align: "right" },
  { title: "FAILED", align: "right" },
] as const;

export function traceText({ faults, lost, seconds, pageSize }: TraceSummary): string {
  const rows = faults.map(({ pid, command, device, region, order, done, fellBack, failed }) => [
    pid === 0 ? "?" : String(pid),
    command === "" ? "?" : printable(command),
    printable(device ?? "?"),
    String(region ?? "?"),
    pageSize === null ? `order ${order}` : formatSize(pageSize * 2 ** order),
    formatCount(done),
    formatCount(fellBack),
    formatCount(failed),
  ]);
  const table = rows.length === 0 ? "" : `${renderTable(COLUMNS, rows)}\n`;
  const done = faults.reduce((sum, each) => sum + each.done, 0);
  const missed = lost === 0 ? "" : `; ${formatCount(lost)} came too fast and are not counted`;
  return `${table}${countOf(done, "fault")} on device memory in ${seconds.toFixed(1)} s${missed}.\n`;
}
