/** `hugebar trace`: counts the page faults on device memory while they happen. */

import { setTimeout } from "node:timers/promises";
import { faultProbes } from "../../inspect/trace/fault-probes.ts";
import { LIVE, readMachine } from "../../inspect/proc/machine.ts";
import { findTracefs } from "../../inspect/trace/trace-instance.ts";
import { startTrace, type Trace } from "../../inspect/trace/trace.ts";
import { faultNames } from "../../inspect/trace/traced-faults.ts";
import { traceJson } from "../../report/trace-json.ts";
import { traceText, type TraceSummary } from "../../report/text/trace-text.ts";
import { writeResult, type Output } from "../output.ts";
import { screenful } from "../screen.ts";
import { awaitInterruption } from "../signals.ts";
import { parsePids, parseSeconds } from "../values.ts";
import type { Arguments } from "../verbs.ts";

const READ_MILLISECONDS = 50;
const SHOW_MILLISECONDS = 1000;

export async function run({ options, operands }: Arguments<"trace">, output: Output): Promise<number> {
  if (options.guest) {
    const { traceGuests } = await import("./trace-guests.ts");
    return traceGuests(options, parsePids(operands), output);
  }
  const pids = new Set(parsePids(operands));
  const milliseconds =
    options.seconds === undefined ? Infinity : parseSeconds("--seconds", options.seconds) * 1000;
  const machine = readMachine(LIVE);
  const names = faultNames(LIVE);
  const tracefs = findTracefs(LIVE.sys);
  const trace = await startTrace(tracefs, LIVE.proc, await faultProbes(LIVE.proc));
  const interruption = awaitInterruption();
  const start = performance.now();
  const summary = (restMilliseconds?: number): TraceSummary => {
    const counts = trace.counts().filter(({ pid }) => pids.size === 0 || pids.has(pid));
    names.learn(counts, restMilliseconds);
    return {
      faults: names.name(counts),
      lost: trace.lost(),
      seconds: (performance.now() - start) / 1000,
      pageSize: machine.model?.pageSize ?? null,
    };
  };
  output.message("Tracing page faults on device memory; Ctrl-C ends it");
  const live = options.output === undefined && !options.json && process.stdout.isTTY;
  let exitCode: number | null;
  try {
    exitCode = await follow(trace, interruption.exitCode, start + milliseconds, () => {
      if (!live) return;
      const { width, colour } = output;
      output.write(screenful(traceText(summary(), { width, fit: true, colour }), process.stdout.rows));
    });
  } finally {
    await trace.stop();
    interruption.dispose();
  }
  // A mapping younger than the last look at its process has no other chance to be named.
  const result = summary(0);
  if (live) output.write("\x1b[H\x1b[J");
  await writeResult(
    { json: () => traceJson(result, machine.kernel), text: (layout) => traceText(result, layout) },
    options,
    output,
  );
  return exitCode ?? 0;
}

/** Reads until the time is over (null) or a signal has come (its exit code); `show` is called once a second. */
export async function follow(
  trace: Pick<Trace, "read">,
  interruption: Promise<number>,
  end: number,
  show: () => void,
): Promise<number | null> {
  let shown = 0;
  for (;;) {
    trace.read();
    const now = performance.now();
    if (now >= end) return null;
    if (now - shown >= SHOW_MILLISECONDS) {
      show();
      shown = now;
    }
    const wait = setTimeout(Math.min(READ_MILLISECONDS, end - now), null, { ref: false });
    const exitCode = await Promise.race([interruption, wait]);
    if (exitCode !== null) return exitCode;
  }
}
