/** What the tool's verbs find out about a machine, for programs: `inspect()`, `doctor()`, `trace()`, `recordMachine()`. */

import { requireBoolean, requireOptions, requireWhole, unusable } from "./arguments.ts";
import { hugebarError } from "./errors.ts";
import { diagnosisJson, type DiagnosisReport } from "./inspect/diagnosis-json.ts";
import { diagnose } from "./inspect/doctor.ts";
import { inspectTables } from "./inspect/inspect-tables.ts";
import { inspectMachine } from "./inspect/inspect.ts";
import { inspectionJson } from "./inspect/inspection-json.ts";
import type { InspectionReport } from "./inspect/inspection-report.ts";
import { requirePath, rootsAt } from "./inspect/proc/roots.ts";
import { recordMachine as record, type Recorded } from "./inspect/record.ts";
import { follow, watchFaults, type TraceSummary } from "./inspect/trace/watch-faults.ts";
import { traceJson, type TraceReport } from "./report/trace-json.ts";
import { failureInWords } from "./system/errno.ts";
import type { MachineRoots } from "./vfio/sysfs/machine-roots.ts";

/** Which machine to look at: the one this runs on, unless a recorded one is given. */
export interface MachineOptions {
  /** The folder that stands for `/proc`: `DIR/proc` of what `recordMachine(DIR)` saved. */
  readonly proc?: string | undefined;
  /** The folder that stands for `/sys`. */
  readonly sys?: string | undefined;
}

export interface InspectOptions extends MachineOptions {
  /** The processes to inspect, each of which gets a row, whatever it has; all, unless given. */
  readonly pids?: readonly number[] | undefined;
  /** Also read what the page tables hold, down to KVM's guests (as root). */
  readonly tables?: boolean | undefined;
  /**
   * Whether `/proc/PID/smaps` may be read where a verdict hangs on it; it may, unless this is false: of the processes given, else
   * of as few as decide it. Reading it is not without effect: the kernel takes leaves of 1 GiB apart for it, and lays them anew
   * at the next touch. So give `false` where you look again and again; verdicts that hang on it are `unknown` then. With
   * `tables` it is never read.
   */
  readonly smaps?: boolean | undefined;
}

/**
 * Finds every mapping of device memory on a machine and judges it, as `hugebar inspect --json` does.
 *
 * What cannot be read is a row that says so (`refused`), and nothing is thrown for it: not as root, other users' processes
 * are such rows. It takes about as long as reading all `/proc/PID/maps`, and returns when it is done.
 *
 * ```ts
 * const { summary, processes } = inspect();
 * if (summary.verdicts.small + summary.verdicts.partial > 0) {
 *   for (const { pid, mappings } of processes) console.log(pid, mappings.flatMap(({ advice }) => advice));
 * }
 * ```
 *
 * @throws ERR_ARGUMENT; with `tables` also ERR_PERMISSION, ERR_NOT_SUPPORTED and ERR_PROTOCOL where page tables cannot be
 *   read
 */
export function inspect(options: InspectOptions = {}): InspectionReport {
  const roots = rootsOf("of inspect", options);
  const { tables = false, smaps = true } = options;
  const pids = options.pids === undefined ? null : pidsOf(options.pids);
  requireBoolean("tables", tables);
  requireBoolean("smaps", smaps);
  const inspection = inspectMachine(roots, pids, smaps && !tables ? {} : { smaps: "never" });
  return inspectionJson(tables ? inspectTables(inspection) : inspection);
}

/**
 * Says what on a machine keeps device memory from huge pages and the one thing to do about each point, as
 * `hugebar doctor --json` does. Where `findings` has no `problem`, nothing was found that falls short.
 *
 * ```ts
 * for (const { state, text, todo } of doctor().findings) if (state === "problem") console.log(text, todo);
 * ```
 *
 * @throws ERR_ARGUMENT
 */
export function doctor(options: MachineOptions = {}): DiagnosisReport {
  return diagnosisJson(diagnose(rootsOf("of doctor", options)));
}

export interface RecordOptions extends MachineOptions {
  /** Save also what the page tables hold (as root). */
  readonly tables?: boolean | undefined;
}

/**
 * Saves what `inspect()` and `doctor()` read of a machine, so that it can be looked at elsewhere, as `hugebar record` does:
 * no memory, no arguments, no environment of any process, nothing that identifies a single card.
 *
 * ```ts
 * recordMachine("/tmp/machine");
 * const { summary } = inspect({ proc: "/tmp/machine/proc", sys: "/tmp/machine/sys" });
 * ```
 *
 * @param folder a new or an empty one
 * @returns how much was saved
 * @throws ERR_ARGUMENT also where the folder is not empty; ERR_PERMISSION, ERR_SYSTEM where it cannot be written; with
 *   `tables` what `inspect()` throws then
 */
export function recordMachine(folder: string, options: RecordOptions = {}): Recorded {
  const roots = rootsOf("of recordMachine", options);
  const { tables = false } = options;
  requirePath("folder", folder);
  requireBoolean("tables", tables);
  return record(roots, folder, { tables });
}

export interface TraceOptions {
  /** The processes whose faults count; all, unless given. */
  readonly pids?: readonly number[] | undefined;
  /** How long, above 0 and at most 10,000,000; until `signal` is aborted, unless given. */
  readonly seconds?: number | undefined;
  /** Ends it: what was counted until then is the result, as after `seconds`. */
  readonly signal?: AbortSignal | undefined;
}

/** Some four months. */
const MOST_SECONDS = 10_000_000;

/**
 * Counts the page faults on this machine's device memory while they happen, as `hugebar trace --json` does: by process,
 * mapping and size of leaf. For root, where tracefs is mounted. What it makes in the kernel it removes at the end, and a
 * process that it starts does so should this one die.
 *
 * ```ts
 * const { faults, lost } = await trace({ seconds: 1 });
 * for (const { pid, device, size, done } of faults) console.log(pid, device, size, done);
 * ```
 *
 * @throws ERR_ARGUMENT, also where neither `seconds` nor `signal` would end it; ERR_PERMISSION; ERR_NOT_SUPPORTED where the
 *   kernel has no VFIO for PCI, or there is no tracefs; ERR_SYSTEM
 */
export async function trace(options: TraceOptions): Promise<TraceReport> {
  requireOptions("of trace", options);
  const { seconds, signal } = options;
  const pids = options.pids === undefined ? [] : pidsOf(options.pids);
  if (seconds === undefined && signal === undefined) {
    throw unusable("options of trace", options, "give seconds, a signal, or both");
  }
  if (seconds !== undefined) requireSeconds(seconds);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw unusable("signal", signal, "it must be an AbortSignal");
  }
  const aborted = abortionOf(signal);
  try {
    return traceJson(await summaryOf(pids, (seconds ?? Infinity) * 1000, aborted.promise));
  } catch (error) {
    if (!(error instanceof Error) || !("syscall" in error)) throw error;
    // Someone else took the instance away, or tracefs.
    const details = { action: "trace faults on device memory", problem: failureInWords(error) };
    throw hugebarError("ERR_SYSTEM", details, error);
  } finally {
    aborted.dispose();
  }
}

async function summaryOf(
  pids: readonly number[],
  milliseconds: number,
  aborted: Promise<unknown>,
): Promise<TraceSummary> {
  const watch = await watchFaults(pids);
  let summary: TraceSummary;
  try {
    await follow(watch, milliseconds, aborted, () => void watch.summary());
  } finally {
    summary = await watch.stop();
  }
  return summary;
}

/** Fulfilled once the signal is aborted. */
function abortionOf(signal: AbortSignal | undefined) {
  const { promise, resolve } = Promise.withResolvers<"aborted">();
  const onAbort = (): void => resolve("aborted");
  if (signal?.aborted === true) onAbort();
  else signal?.addEventListener("abort", onAbort);
  return { promise, dispose: () => signal?.removeEventListener("abort", onAbort) };
}

function rootsOf(what: string, options: MachineOptions): MachineRoots {
  requireOptions(what, options);
  return rootsAt(options);
}

/** One given twice is one. */
function pidsOf(pids: unknown): number[] {
  if (!Array.isArray(pids)) throw unusable("pids", pids, "they must be an array of process numbers");
  const numbers = pids.map((pid: unknown) => {
    requireWhole("process", pid, 1, 999_999_999);
    return pid;
  });
  return [...new Set(numbers)];
}

function requireSeconds(seconds: unknown): void {
  if (typeof seconds === "number" && seconds > 0 && seconds <= MOST_SECONDS) return;
  throw unusable("seconds", seconds, `they must be a number above 0, and at most ${MOST_SECONDS}`);
}
