/** Shows what a scan of the machine's processes has found. */

import { refusedProcess, type Inspection } from "../../inspect/inspection.ts";
import { inspectionJson } from "../../inspect/inspection-json.ts";
import { readMachine } from "../../inspect/proc/machine.ts";
import type { ScannedProcess } from "../../inspect/proc/scan-turns.ts";
import { inspectionText } from "../../report/text/inspection-text.ts";
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
  const inspection = await inspect(roots, scanned, asked);
  const { all } = options;
  const isOnTerminal = process.stdout.isTTY && (options.output ?? "-") === "-";
  await writeResult(
    {
      json: () => inspectionJson(inspection),
      text: (width, colour) => inspectionText(inspection, { width, fit: isOnTerminal, colour, all }),
      ...pictureFormats(async () => {
        const { inspectionPicture } = await import("../../report/picture/inspection-picture.ts");
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
): Promise<Inspection> {
  if (asked || scanned.some(({ found }) => typeof found !== "string" && found.length > 0)) {
    const { inspectScanned } = await import("../../inspect/inspect.ts");
    return inspectScanned(roots, scanned, asked);
  }
  const processes = scanned.flatMap(({ pid, found }) =>
    typeof found === "string" ? (refusedProcess(roots.proc, pid, found, false) ?? []) : [],
  );
  return { machine: readMachine(roots), processes };
}

function exitCodeOf({ processes }: Inspection, asked: boolean, check: boolean, output: Output): number {
  const verdicts = processes.flatMap(({ mappings }) => mappings.map(({ verdict }) => verdict));
  if (check && verdicts.some((verdict) => verdict === "small" || verdict === "partial")) return 1;
  const refusals = processes.flatMap(({ refused }) => refused ?? []);
  if (asked && refusals.includes("gone")) return 3;
  const blind = refusals.filter((refused) => refused !== "gone").length;
  if (blind === 0 || !(asked || check)) return 0;
  if (check) output.message(`Processes that could not be looked at: ${blind}`);
  return 4;
}
