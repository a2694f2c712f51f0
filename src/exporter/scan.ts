/** One look at the machine, as metrics. */

import { deviceIndex } from "../inspect/identify/device-index.ts";
import { inspectMachine } from "../inspect/inspect.ts";
import type { Inspection } from "../inspect/inspection.ts";
import { NOTHING_LEARNED, type LearnedKernel } from "../rules/learned.ts";
import type { MachineRoots } from "../vfio/device-uses.ts";
import { deviceMetrics } from "./device-metrics.ts";
import { gauge, type Family } from "./families.ts";
import { guestMetrics } from "./guest-metrics.ts";
import { machineMetrics } from "./machine-metrics.ts";
import { mappingMetrics } from "./mapping-metrics.ts";

/**
 * Looks at the processes and devices below `roots`.
 *
 * @param learned what earlier looks have learned of the kernel: of each thing that they have not, smaps of one process is read
 */
export function scanMetrics(
  roots: MachineRoots,
  learned: LearnedKernel = NOTHING_LEARNED,
  smaps: "once" | "never" = "once",
): { readonly families: Family[]; readonly learned: LearnedKernel } {
  const inspection = inspectMachine(roots, null, { smaps, learned });
  return { families: metricsOf(inspection), learned: inspection.learned };
}

/** What an inspection and the machine's devices say. */
export function metricsOf(inspection: Inspection): Family[] {
  return [
    ...machineMetrics(inspection.machine),
    ...deviceMetrics(deviceIndex(inspection.machine.roots.sys).all()),
    ...mappingMetrics(inspection),
    ...guestMetrics(inspection),
    ...coverage(inspection),
  ];
}

/** How much of the machine could be looked at: what is not there may be what could not be seen. */
function coverage({ processes, scanned, hidden }: Inspection): Family[] {
  const refused = processes.flatMap(({ refused: reason }) =>
    reason === null || reason === "gone" ? [] : [reason],
  );
  const read = gauge("hugebar_scan_processes", "Processes that the last scan has looked at.");
  read.add({}, scanned - refused.length);
  const unreadable = gauge(
    "hugebar_scan_unreadable_processes",
    "Processes that it could not look at, by reason.",
  );
  for (const reason of ["not-permitted", "unreadable"]) {
    unreadable.add({ reason }, refused.filter((each) => each === reason).length);
  }
  const hides = gauge(
    "hugebar_scan_hides_processes",
    "Whether /proc does not even list some processes for the exporter (hidepid): 1, and there may be more than it tells.",
  );
  hides.add({}, Number(hidden));
  return [read, unreadable, hides];
}
