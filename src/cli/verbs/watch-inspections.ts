/** Inspects again and again, until a signal. */

import { setTimeout } from "node:timers/promises";
import { inspectMachine } from "../../inspect/inspect.ts";
import { inspectionText } from "../../report/text/inspection-text.ts";
import type { MachineRoots } from "../../vfio/device-uses.ts";
import type { Output } from "../output.ts";
import { screenful } from "../screen.ts";
import { awaitInterruption } from "../signals.ts";

const WATCH_MILLISECONDS = 2000;

/** Shows each inspection: over the one before on a terminal, one after another elsewhere. */
export async function watchInspections(
  roots: MachineRoots,
  pids: readonly number[] | null,
  all: boolean,
  output: Output,
): Promise<number> {
  const interruption = awaitInterruption();
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
