/** `hugebar trace --guest`: counts the leaves that KVM lays for guests over device memory, while it does. */

import { deviceIndex } from "../../inspect/identify/device-index.ts";
import { LIVE, readMachine } from "../../inspect/proc/machine.ts";
import { readCommand } from "../../inspect/proc/process.ts";
import type { Bar, GuestLeafCount } from "../../inspect/trace/guest-leaves.ts";
import { findTracefs } from "../../inspect/trace/trace-instance.ts";
import { startGuestTrace } from "../../inspect/trace/trace.ts";
import { follow } from "../../inspect/trace/watch-faults.ts";
import {
  guestTraceJson,
  guestTraceText,
  type GuestTraceSummary,
} from "../../report/text/guest-trace-text.ts";
import { writeResult, type Output } from "../output.ts";
import { screenful } from "../screen.ts";
import { awaitInterruption } from "../signals.ts";
import { parseSeconds } from "../values.ts";
import type { Arguments } from "../verbs.ts";

/** @param pids the monitors that matter; without any, all */
export async function traceGuests(
  options: Arguments<"trace">["options"],
  pids: readonly number[],
  output: Output,
): Promise<number> {
  const { seconds, json } = options;
  const milliseconds = seconds === undefined ? Infinity : parseSeconds("--seconds", seconds) * 1000;
  const trace = await startGuestTrace(findTracefs(LIVE.sys), LIVE.proc, barsOf(LIVE.sys));
  const interruption = awaitInterruption();
  const start = performance.now();
  const commands = new Map<number, string>();
  const summary = (): GuestTraceSummary => {
    const counts = trace.counts().filter(({ pid }) => pids.length === 0 || pids.includes(pid));
    return {
      leaves: counts.map((count) => ({ count, command: commandOf(commands, count) })),
      lost: trace.lost(),
      seconds: (performance.now() - start) / 1000,
    };
  };
  output.message("Tracing the leaves of guests over device memory; Ctrl-C ends it");
  const live = options.output === undefined && !json && process.stdout.isTTY;
  let exitCode: number | null;
  try {
    exitCode = await follow(trace, milliseconds, interruption.exitCode, () => {
      const shown = summary();
      if (!live) return;
      const { width, colour } = output;
      output.write(screenful(guestTraceText(shown, { width, fit: true, colour }), process.stdout.rows));
    });
  } finally {
    await trace.stop();
    interruption.dispose();
  }
  const result = summary();
  if (live) output.write("\x1b[H\x1b[J");
  const { kernel } = readMachine(LIVE);
  await writeResult(
    { json: () => guestTraceJson(result, kernel), text: (layout) => guestTraceText(result, layout) },
    options,
    output,
  );
  return exitCode ?? 0;
}

/** Where device memory lies on this machine. */
function barsOf(sys: string): Bar[] {
  return deviceIndex(sys)
    .all()
    .flatMap(({ bdf, resources }) =>
      resources
        .filter(({ kind, address }) => kind === "memory" && address !== 0n)
        .map(({ index, address, size }) => ({ device: bdf, region: index, address, size })),
    );
}

/** A process is named while it is there. */
function commandOf(commands: Map<number, string>, { pid }: GuestLeafCount): string {
  const known = commands.get(pid);
  if (known !== undefined && known !== "") return known;
  const command = pid === 0 ? "" : readCommand(LIVE.proc, pid);
  commands.set(pid, command);
  return command;
}
