/** Shows what `hugebar inspect` finds: once, or again and again. */

import { setTimeout } from "node:timers/promises";
import { inspectMachine, type Inspection } from "../inspect/inspect.ts";
import { inspectionJson } from "../inspect/inspection-json.ts";
import type { Scan } from "../inspect/scan-processes.ts";
import { inspectionText } from "../report/inspection-text.ts";
import type { MachineRoots } from "../vfio/device-uses.ts";
import { writeResult, type Output } from "./output.ts";
import { pictureFormats } from "./pictures.ts";
import { screenful } from "./screen.ts";
import { awaitInterruption } from "./signals.ts";
import type { Arguments } from "./verbs.ts";

const WATCH_MILLISECONDS = 2000;

type Pids = readonly number[] | null;

/** Writes what the scan finds in the format asked for; returns the exit code. */
export async function showInspection(
  roots: MachineRoots,
  pids: Pids,
  scan: Scan,
  options: Arguments<"inspect">["options"],
  output: Output,
): Promise<number> {
  const inspection = inspectMachine(roots, pids, scan);
  const all = options.all || wantsAll(pids);
  const isOnTerminal = process.stdout.isTTY && (options.output ?? "-") === "-";
  await writeResult(
    {
      json: () => inspectionJson(inspection),
      text: (width, colour) => inspectionText(inspection, { width, fit: isOnTerminal, colour, all }),
      ...pictureFormats(async () => {
        const { inspectionPicture } = await import("../report/inspection-picture.ts");
        return inspectionPicture(inspection, all);
      }),
    },
    options,
    output,
  );
  return exitCodeOf(inspection, pids !== null, options.check, output);
}

/** Shows it until a signal: over what stood there on a terminal, one after another elsewhere. */
export async function watchInspections(
  roots: MachineRoots,
  pids: Pids,
  everything: boolean,
  output: Output,
): Promise<number> {
  const interruption = awaitInterruption();
  const all = everything || wantsAll(pids);
  for (;;) {
    const { isTTY, rows } = process.stdout;
    const { width, colour } = output;
    const text = inspectionText(inspectMachine(roots, pids), { width, fit: isTTY, colour, all });
    output.write(isTTY ? screenful(text, rows) : `${text}\n`);
    const exitCode = await Promise.race([
      interruption.exitCode,
      setTimeout(WATCH_MILLISECONDS, null, { ref: false }),
    ]);
    if (exitCode !== null) return exitCode;
  }
}

/** Who asks for one process wants to see all of it. */
function wantsAll(pids: Pids): boolean {
  return pids !== null;
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
