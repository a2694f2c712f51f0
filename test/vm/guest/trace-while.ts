/** What hugebar's trace counts of a kernel's faults, for tests inside the guest. */

import assert from "node:assert/strict";

import { LIVE } from "../../../src/inspect/proc/machine.ts";
import { faultProbes } from "../../../src/inspect/trace/fault-probes.ts";
import { findTracefs } from "../../../src/inspect/trace/trace-instance.ts";
import { startTrace } from "../../../src/inspect/trace/trace.ts";
import { faultNames, type TracedFaults } from "../../../src/inspect/trace/traced-faults.ts";

/** Runs `touch`, and returns what is counted meanwhile of processes that live on. */
export async function traceWhile(touch: () => void | Promise<void>): Promise<readonly TracedFaults[]> {
  const names = faultNames(LIVE);
  const trace = await startTrace(findTracefs(LIVE.sys), LIVE.proc, await faultProbes(LIVE.proc));
  try {
    await touch();
  } finally {
    await trace.stop();
  }
  assert.equal(trace.lost(), 0);
  names.learn(trace.counts());
  return names.name(trace.counts());
}
