/** The collector for the second stage: what KVM has laid for guests, and, where page tables were read, over which region. */

import type { Inspection } from "../inspect/inspection.ts";
import { gauge, type Family } from "./families.ts";
import { ownerName, regionLabels } from "./labels.ts";

export function guestMetrics({ processes }: Inspection): Family[] {
  const all = gauge(
    "hugebar_guest_leaves",
    "Leaves of the second stage of an owner's guests by size, those of their memory among them (KVM's counters).",
  );
  const allTables = gauge(
    "hugebar_guest_page_table_bytes",
    "Page tables of the second stage of an owner's control groups (sec_pagetables).",
  );
  const leaves = gauge(
    "hugebar_mapping_second_stage_leaves",
    "Leaves of the second stage over a region by size once the guest has touched all of it, as it is and at best.",
  );
  const tables = gauge(
    "hugebar_mapping_second_stage_page_table_bytes",
    "Page tables of the second stage over a region once the guest has touched all of it.",
  );
  const counted = new Set<string>();
  for (const process of processes) {
    if (process.guests === null) continue;
    const owner = ownerName(process);
    const { counters, secondStage, pieces } = process.guests;
    for (const { size, count } of counters.flatMap((each) => each.leaves)) {
      all.sum({ owner, leaf_bytes: String(size) }, count);
    }
    // Of several processes in one group each tells the tables of all.
    if (secondStage !== null && !counted.has(secondStage.controlGroup)) {
      counted.add(secondStage.controlGroup);
      allTables.sum({ owner }, secondStage.bytes);
    }
    for (const piece of pieces ?? []) {
      const labels = regionLabels(piece.mapping, owner);
      for (const [state, counts] of [
        ["now", piece.leaves],
        ["best", piece.best],
      ] as const) {
        for (const { size, count } of counts ?? []) {
          leaves.sum({ ...labels, leaf_bytes: String(size), state }, count);
        }
      }
      tables.sum(labels, piece.pageTableBytes);
    }
  }
  return [all, allTables, leaves, tables];
}
