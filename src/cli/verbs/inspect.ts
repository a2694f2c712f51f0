/** `hugebar inspect`: which processes map device memory, how well, and why not better. */

import { scanProcesses } from "../../inspect/proc/scan-processes.ts";
import { rootsAt } from "../../inspect/proc/roots.ts";
import type { Output } from "../output.ts";
import { usageError } from "../usage.ts";
import { parsePids } from "../values.ts";
import type { Arguments } from "../verbs.ts";

export async function run({ options, operands }: Arguments<"inspect">, output: Output): Promise<number> {
  const pids = operands.length === 0 ? null : parsePids(operands);
  const roots = rootsAt(options, "--");
  // Who asks for one process, or for what is there, wants to see all of it.
  const all = options.all || options.tables || pids !== null;
  if (options.watch && (options.json || options.check || options.output !== undefined)) {
    throw usageError("--watch goes with neither --json, --check nor --output: see hugebar inspect --help");
  }
  if (options.watch && options.tables) {
    throw usageError("--watch goes without --tables: reading them is for once, not for a loop");
  }
  if (options.watch) {
    const { watchInspections } = await import("./watch-inspections.ts");
    return watchInspections(roots, pids, all, output);
  }
  // Before anything else is loaded: of a crowd of processes that is most of the work.
  const scanned = scanProcesses(roots.proc, pids);
  const { showInspection } = await import("./show-inspection.ts");
  return showInspection(roots, scanned, pids !== null, { ...options, all }, output);
}
