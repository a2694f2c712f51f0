/** Shows what a scan of the machine's processes has found. */

import type { InspectOptions } from "../../inspect/inspect.ts";
import { countOfProcesses, refusedProcess, type Inspection } from "../../inspect/inspection.ts";
import { outcomeOf } from "../../inspect/outcome.ts";
import { inspectionJson } from "../../inspect/inspection-json.ts";
import { hidesProcesses } from "../../inspect/proc/hidden.ts";
import { lackingRights } from "../../inspect/proc/rights.ts";
import { whereAndWhen } from "../../inspect/proc/recorded.ts";
import { readMachine } from "../../inspect/proc/machine.ts";
import type { ScannedProcess } from "../../inspect/proc/scan-turns.ts";
import { inspectionText } from "../../report/text/inspection-text.ts";
import { NOTHING_LEARNED } from "../../rules/learned.ts";
import type { MachineRoots } from "../../vfio/device-uses.ts";
import { writeResult, type Output } from "../output.ts";
import { pictureFormats } from "../pictures.ts";
import type { Arguments } from "../verbs.ts";

/** Writes it, judged, in the format asked for; returns the exit code. */
export async function showInspection(
  roots: MachineRoots,
  scanned: readonly ScannedProcess[],
  asked: boolean,
  options: Arguments<"inspect">["options"],
  output: Output,
): Promise<number> {
  // What is there is to stay there while it is looked at, so smaps is left alone.
  const found = await inspect(roots, scanned, asked, options.tables ? { smaps: "never" } : {});
  const inspection = options.tables ? await withTables(found, output) : found;
  const { all } = options;
  await writeResult(
    {
      json: () => inspectionJson(inspection),
      text: (layout) => inspectionText(inspection, { ...layout, all }),
      prom: async () => {
        const { exposition } = await import("../../exporter/exposition.ts");
        const { metricsOf } = await import("../../exporter/scan.ts");
        return (await exposition(metricsOf(inspection), false)).text;
      },
      ...pictureFormats(async () => {
        const { inspectionPicture } = await import("../../report/picture/drawing/inspection-picture.ts");
        return inspectionPicture(inspection, all);
      }),
    },
    options,
    output,
  );
  return exitCodeOf(inspection, asked, options.check, output);
}

/** What judges takes 10 ms to load, which a machine without anything to judge can be spared. */
async function inspect(
  roots: MachineRoots,
  scanned: readonly ScannedProcess[],
  asked: boolean,
  options: InspectOptions,
): Promise<Inspection> {
  if (asked || scanned.some(({ found }) => typeof found !== "string" && found.length > 0)) {
    const { inspectScanned } = await import("../../inspect/inspect.ts");
    return inspectScanned(roots, scanned, asked, options);
  }
  const processes = scanned.flatMap(({ pid, found }) =>
    typeof found === "string" ? (refusedProcess(roots.proc, pid, found, false) ?? []) : [],
  );
  return {
    machine: readMachine(roots),
    ...whereAndWhen(roots.proc),
    scanned: countOfProcesses(roots.proc, scanned.length, asked),
    hidden: hidesProcesses(roots.proc),
    lacking: lackingRights(roots.proc),
    processes,
    learned: NOTHING_LEARNED,
  };
}

/** The same with what page tables hold. Small leaves in great number take a while to read: a terminal is told. */
async function withTables(inspection: Inspection, output: Output): Promise<Inspection> {
  const { inspectTables } = await import("../../inspect/inspect-tables.ts");
  const progress = output.progress("reading page tables");
  try {
    return inspectTables(inspection, { progress: progress.tick });
  } finally {
    progress.end();
  }
}

function exitCodeOf(inspection: Inspection, asked: boolean, check: boolean, output: Output): number {
  const { exitCode, gone, unreadable } = outcomeOf(inspection);
  for (const { pid, refused } of inspection.processes) {
    if (refused !== "gone") continue;
    const orHidden = hidesProcesses(inspection.machine.roots.proc)
      ? ", or it is hidden: /proc is mounted with hidepid"
      : "";
    output.message(`There is no process ${pid}${orHidden}`);
  }
  if (check && exitCode === 1) return 1;
  if (gone > 0) return 3;
  if (check) return exitCode;
  return asked && unreadable > 0 ? 4 : 0;
}
