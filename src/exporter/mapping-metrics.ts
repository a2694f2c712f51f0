/** The collector for what processes map: by device, region and owner, never by address or process number. */

import type { Inspection } from "../inspect/inspection.ts";
import { mappingDmaSteps } from "../inspect/judge/dma.ts";
import type { Verdict } from "../inspect/judge/judge.ts";
import type { InspectedMapping } from "../inspect/judge/region-mappings.ts";
import type { Machine } from "../inspect/proc/machine.ts";
import { gauge, type Family, type OpenFamily } from "./families.ts";
import { ownerName, regionLabels, type RegionLabels } from "./labels.ts";

const VERDICTS = ["huge", "partial", "small", "wrong", "unknown"] as const satisfies readonly Verdict[];

/** From the best to the worst: of several mappings of one region the worst stands for all. */
const RANK: Readonly<Record<Verdict, number>> = { huge: 0, unknown: 1, partial: 2, small: 3, wrong: 4 };

export function mappingMetrics({ machine, processes }: Inspection): Family[] {
  const owner = gauge("hugebar_owner_info", "A process that maps device memory; the value is 1.");
  const tables = gauge(
    "hugebar_owner_page_table_bytes",
    "Page tables that an owner's processes really have (VmPTE).",
  );
  const mapped = gauge("hugebar_mapped_bytes", "Bytes of a region that an owner maps.");
  const verdict = gauge(
    "hugebar_mapping_verdict",
    "The verdict on them: 1 for the one that is, the worst of several.",
  );
  const reason = gauge(
    "hugebar_mapping_reason",
    "A reason why it falls short or is unknown; the value is 1.",
  );
  const leaves = gauge("hugebar_mapping_leaves", "Leaves by size, as they are and at best.");
  const faults = gauge("hugebar_mapping_faults", "Page faults to touch all of it, as it is and at best.");
  const tableBytes = gauge(
    "hugebar_mapping_page_table_bytes",
    "Page tables for all of it, as it is and at best.",
  );
  const dmaSteps = gauge(
    "hugebar_mapping_dma_steps",
    "Steps in which the kernel maps it for DMA once, as it is and at best; no sample where its name does not tell.",
  );

  const worst = new Map<string, { labels: RegionLabels; verdict: Verdict }>();
  const reasons = new Map<string, RegionLabels & { reason: string }>();
  for (const process of processes) {
    if (process.mappings.length === 0) continue;
    const name = ownerName(process);
    owner.add({ owner: name, pid: String(process.pid), command: process.command }, 1);
    tables.sum({ owner: name }, process.vmPteBytes);
    for (const mapping of process.mappings) {
      const labels = regionLabels(mapping, name);
      mapped.sum(
        labels,
        mapping.vmas.reduce((sum, { size }) => sum + size, 0),
      );
      addCosts({ leaves, faults, tableBytes, dmaSteps }, labels, mapping, machine);
      const key = JSON.stringify(labels);
      const known = worst.get(key);
      if (known === undefined || RANK[mapping.verdict] > RANK[known.verdict]) {
        worst.set(key, { labels, verdict: mapping.verdict });
      }
      for (const { code } of mapping.reasons) reasons.set(`${key} ${code}`, { ...labels, reason: code });
    }
  }
  for (const each of worst.values()) {
    for (const state of VERDICTS)
      verdict.add({ ...each.labels, verdict: state }, Number(state === each.verdict));
  }
  for (const labels of reasons.values()) reason.add(labels, 1);
  return [owner, tables, mapped, verdict, reason, leaves, faults, tableBytes, dmaSteps];
}

function addCosts(
  families: Readonly<Record<"leaves" | "faults" | "tableBytes" | "dmaSteps", OpenFamily>>,
  labels: RegionLabels,
  mapping: InspectedMapping,
  machine: Machine,
): void {
  for (const state of ["now", "best"] as const) {
    const cost = mapping[state];
    // Unknown is no number, and no sample.
    if (cost === null) continue;
    for (const { size, count } of cost.leaves) {
      families.leaves.sum({ ...labels, leaf_bytes: String(size), state }, count);
    }
    families.faults.sum({ ...labels, state }, cost.faults);
    families.tableBytes.sum({ ...labels, state }, cost.pageTableBytes);
    const steps = mappingDmaSteps(mapping, machine, state);
    families.dmaSteps.sum({ ...labels, state }, steps?.least === steps?.most ? (steps?.least ?? null) : null);
  }
}
