/** Follows the faults on this machine's device memory for a while, and says who took them on what. */

import { setTimeout } from "node:timers/promises";
import { LIVE, readMachine } from "../proc/machine.ts";
import { faultProbes } from "./fault-probes.ts";
import { findTracefs } from "./trace-instance.ts";
import { startTrace, type Trace } from "./trace.ts";
import { faultNames, type TracedFaults } from "./traced-faults.ts";

/** What was traced. */
export interface TraceSummary {
  /** `uname -r` */
  readonly kernel: string;
  readonly faults: readonly TracedFaults[];
  /** Faults that happened and could not be counted. */
  readonly lost: number;
  readonly seconds: number;
  /** Bytes; null where it is not known. */
  readonly pageSize: number | null;
}

/** A watch under way. */
export interface FaultWatch extends Pick<Trace, "read"> {
  /** What there is so far. */
  summary(): TraceSummary;
  /** Stops, removes everything it made in the kernel, and says what there was. */
  stop(): Promise<TraceSummary>;
}

/**
 * @param pids the processes that matter; without any, all
 * @throws ERR_NOT_SUPPORTED, ERR_PERMISSION
 */
export async function watchFaults(pids: readonly number[]): Promise<FaultWatch> {
  const wanted = new Set(pids);
  const { kernel, model } = readMachine(LIVE);
  const names = faultNames(LIVE);
  const tracefs = findTracefs(LIVE.sys);
  const trace = await startTrace(tracefs, LIVE.proc, await faultProbes(LIVE.proc));
  const start = performance.now();
  const summary = (restMilliseconds?: number): TraceSummary => {
    const counts = trace.counts().filter(({ pid }) => wanted.size === 0 || wanted.has(pid));
    names.learn(counts, restMilliseconds);
    return {
      kernel,
      faults: names.name(counts),
      lost: trace.lost(),
      seconds: (performance.now() - start) / 1000,
      pageSize: model?.pageSize ?? null,
    };
  };
  return {
    read: () => trace.read(),
    summary: () => summary(),
    async stop() {
      await trace.stop();
      // A mapping younger than the last look at its process has no other chance to be named.
      return summary(0);
    },
  };
}

const READ_MILLISECONDS = 50;
const SHOW_MILLISECONDS = 1000;

/**
 * Reads until `milliseconds` have passed (null), or something has ended it: what `ended` is fulfilled with.
 *
 * @param show called once a second
 */
export async function follow<Ended>(
  trace: Pick<Trace, "read">,
  milliseconds: number,
  ended: Promise<Ended>,
  show: () => void = () => undefined,
): Promise<Ended | null> {
  const end = performance.now() + milliseconds;
  let shown = 0;
  for (;;) {
    trace.read();
    const now = performance.now();
    if (now >= end) return null;
    if (now - shown >= SHOW_MILLISECONDS) {
      show();
      shown = now;
    }
    const wait = setTimeout(Math.min(READ_MILLISECONDS, end - now), null);
    const what = await Promise.race([ended, wait]);
    if (what !== null) return what;
  }
}
