/** Traced faults as text. */

import type { TraceSummary } from "../../inspect/trace/watch-faults.ts";
import { formatSize } from "../../layout/sizes.ts";
import { countOf, formatCount } from "./numbers.ts";
import { tableText } from "./fitted-table.ts";
import type { TextLayout } from "./text-layout.ts";
import { holderCells, HOLDER_COLUMNS, missedInWords } from "./trace-columns.ts";
import { paragraph } from "./wrapped.ts";

const COLUMNS = [
  ...HOLDER_COLUMNS,
  { title: "DONE", align: "right" },
  { title: "FELL BACK", align: "right", dispensable: 1 },
  { title: "FAILED", align: "right", dispensable: 4 },
] as const;

export function traceText({ faults, lost, seconds, pageSize }: TraceSummary, layout: TextLayout): string {
  const rows = faults.map(({ pid, command, device, region, order, done, fellBack, failed }) => [
    ...holderCells(
      pid,
      command,
      device,
      region,
      pageSize === null ? `order ${order}` : formatSize(pageSize * 2 ** order),
    ),
    formatCount(done),
    formatCount(fellBack),
    formatCount(failed),
  ]);
  const table = rows.length === 0 ? "" : `${tableText(COLUMNS, rows, layout)}\n`;
  const done = faults.reduce((sum, each) => sum + each.done, 0);
  const text = `${countOf(done, "fault")} on device memory in ${seconds.toFixed(1)} s${missedInWords(lost)}.`;
  return `${table}${paragraph({ text, width: layout.width })}`;
}
