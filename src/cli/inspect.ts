/** `hugebar inspect`: which processes map device memory, how well, and why not better. */

import { setTimeout } from "node:timers/promises";
import { inspectMachine, type Inspection } from "../inspect/inspect.ts";
import { inspectionJson } from "../inspect/inspection-json.ts";
import { inspectionText } from "../report/inspection-text.ts";
import { machineRoots } from "./machine-roots.ts";
import { writeResult, type Output } from "./output.ts";
import { pictureFormats } from "./pictures.ts";
import { screenful } from "./screen.ts";
import { awaitInterruption } from "./signals.ts";
import { usageError } from "./usage.ts";
import { parsePids } from "./values.ts";
import type { Arguments } from "./verbs.ts";

const WATCH_MILLISECONDS = 2000;

export async function run({ options, operands }: Arguments<"inspect">, output: Output): Promise<number> {
  const pids = operands.length === 0 ? null : parsePids(operands);
  const roots = machineRoots(options);
  const look = (): Inspection => inspectMachine(roots, pids);
  // Who asks for one process wants to see all of it.
  const all = options.all || pids !== null;
  if (options.watch) {
    if (options.json || options.check || options.output !== undefined) {
      throw usageError("--watch goes with neither --json, --check nor --output: see hugebar inspect --help");
    }
    return watch(look, all, output);
  }
  const inspection = look();
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

/** Shows it again and again until a signal: over what stood there on a terminal, one after another elsewhere. */
async function watch(look: () => Inspection, all: boolean, output: Output): Promise<number> {
  const interruption = awaitInterruption();
  for (;;) {
    const { isTTY, rows } = process.stdout;
    const { width, colour } = output;
    const text = inspectionText(look(), { width, fit: isTTY, colour, all });
    output.write(isTTY ? screenful(text, rows) : `${text}\n`);
    const exitCode = await Promise.race([
      interruption.exitCode,
      setTimeout(WATCH_MILLISECONDS, null, { ref: false }),
    ]);
    if (exitCode !== null) return exitCode;
  }
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
