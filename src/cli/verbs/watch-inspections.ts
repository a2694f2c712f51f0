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
  let inspection = inspectMachine(roots, pids, { smaps: "once" });
  const show = (): void => {
    const { width, colour, fits: fit } = output;
    const text = inspectionText(inspection, { width, fit, colour, all });
    output.write(fit ? screenful(text, process.stdout.rows) : `${text}\n`);
  };
  // A terminal that changes its size gets the same again, in its new width, at once.
  process.stdout.on("resize", show);
  try {
    for (;;) {
      show();
      const exitCode = await Promise.race([
        interruption.exitCode,
        setTimeout(WATCH_MILLISECONDS, null, { ref: false }),
      ]);
      if (exitCode !== null) return exitCode;
      inspection = inspectMachine(roots, pids, { smaps: "once", learned: inspection.learned });
    }
  } finally {
    process.stdout.off("resize", show);
  }
}
