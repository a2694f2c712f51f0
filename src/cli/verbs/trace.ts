/** `hugebar trace`: counts the page faults on device memory while they happen. */

import { follow, watchFaults, type TraceSummary } from "../../inspect/trace/watch-faults.ts";
import { traceJson } from "../../report/trace-json.ts";
import { traceText } from "../../report/text/trace-text.ts";
import { writeResult, type Output } from "../output.ts";
import { screenful } from "../screen.ts";
import { awaitInterruption } from "../signals.ts";
import { parsePids, parseSeconds } from "../values.ts";
import type { Arguments } from "../verbs.ts";

export async function run({ options, operands }: Arguments<"trace">, output: Output): Promise<number> {
  if (options.guest) {
    const { traceGuests } = await import("./trace-guests.ts");
    return traceGuests(options, parsePids(operands), output);
  }
  const pids = parsePids(operands);
  const milliseconds =
    options.seconds === undefined ? Infinity : parseSeconds("--seconds", options.seconds) * 1000;
  const watch = await watchFaults(pids);
  const interruption = awaitInterruption();
  output.message("Tracing page faults on device memory; Ctrl-C ends it");
  const live = options.output === undefined && !options.json && process.stdout.isTTY;
  let exitCode: number | null;
  let result: TraceSummary;
  try {
    exitCode = await follow(watch, milliseconds, interruption.exitCode, () => {
      // Also where it is not shown: it names processes while they are there.
      const summary = watch.summary();
      if (!live) return;
      const { width, colour } = output;
      output.write(screenful(traceText(summary, { width, fit: true, colour }), process.stdout.rows));
    });
  } finally {
    result = await watch.stop();
    interruption.dispose();
  }
  if (live) output.write("\x1b[H\x1b[J");
  await writeResult(
    { json: () => traceJson(result), text: (layout) => traceText(result, layout) },
    options,
    output,
  );
  return exitCode ?? 0;
}
