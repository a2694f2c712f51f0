/** A trace instance of hugebar's own: probes and a buffer that no other user of tracefs sees, and their removal. */

import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { hugebarError, type HugebarError } from "../../errors.ts";
import { failureInWords } from "../../system/errno.ts";
import type { Probe } from "./fault-probes.ts";
import { listFolder, readLinkOrNull, readTextOrNull, unreadable } from "../proc/read-file.ts";

const ACTION = "trace faults on device memory";

/** Where tracefs is. @throws ERR_NOT_SUPPORTED, ERR_PERMISSION */
export function findTracefs(sys: string): string {
  for (const place of ["kernel/tracing", "kernel/debug/tracing"]) {
    const root = join(sys, place);
    try {
      statSync(join(root, "dynamic_events"));
      return root;
    } catch (error) {
      if (unreadable(error) === "not-permitted") throw notPermitted(error);
    }
  }
  throw hugebarError("ERR_NOT_SUPPORTED", {
    action: ACTION,
    problem: `there is no tracefs; mount it (mount -t tracefs none ${join(sys, "kernel/tracing")})`,
  });
}

function notPermitted(cause: unknown): HugebarError {
  const problem = "tracefs is for root, and closed even to root by kernel lockdown; run hugebar as root";
  return hugebarError("ERR_PERMISSION", { action: ACTION, problem }, cause);
}

/**
 * The name of this process's instance and of its group of events: no other process's, in whichever PID namespace, and
 * after a crash it tells whose it was.
 */
export function instanceName(): string {
  // A kernel may be built without PID namespaces.
  const namespace = /\d+/.exec(readLinkOrNull("/proc/self/ns/pid") ?? "")?.[0] ?? "0";
  return `hugebar_${namespace}_${process.pid}`;
}

/** What an instance is to report. */
export interface TracedEvents {
  readonly probes: readonly Probe[];
  /** The kernel's own events: `kvmmmu/kvm_tdp_mmu_spte_changed`. */
  readonly tracepoints: readonly string[];
  /** For each CPU. */
  readonly bufferKib: number;
  /** Counts what is probed by these fields in the kernel (Documentation/trace/histogram.rst), instead of reporting each. */
  readonly histogramKeys?: readonly string[];
}

/** Where the kernel keeps the histogram of such an event, below the instance. */
export interface Histogram {
  readonly kind: Probe["kind"];
  readonly file: string;
}

/**
 * Makes the instance and switches its events on. What it made before a failure, `removeInstance` removes.
 *
 * @throws ERR_NOT_SUPPORTED, ERR_PERMISSION
 */
export function createInstance(
  root: string,
  name: string,
  { probes, tracepoints, bufferKib, histogramKeys }: TracedEvents,
): Histogram[] {
  const folder = join(root, "instances", name);
  attempt(root, "make a trace instance", () => {
    mkdirSync(folder);
  });
  // In each line the process beside the thread, and no more events than fit: the oldest go first, and are counted.
  // Who only counts has no lines: knowing whose a thread is would cost something at each switch of tasks.
  for (const [file, value] of [
    ["options/record-tgid", histogramKeys === undefined ? "1" : "0"],
    ["options/overwrite", "1"],
    ["buffer_size_kb", String(bufferKib)],
  ] as const) {
    attempt(root, `write ${file}`, () => {
      writeFileSync(join(folder, file), value);
    });
  }
  for (const tracepoint of tracepoints) switchOn(root, folder, tracepoint);
  const kinds = new Map<string, number>();
  const histograms: Histogram[] = [];
  for (const { type, kind, place, fetch } of probes) {
    const number = kinds.get(kind) ?? 0;
    kinds.set(kind, number + 1);
    // Events of one kind bear one name each in its own group, so that a line tells its kind.
    const group = number === 0 ? name : `${name}_${number}`;
    attempt(root, `probe ${place}`, () => {
      // Appending matters: writing over dynamic_events removes everyone's events.
      appendFileSync(join(root, "dynamic_events"), `${type}:${group}/${kind} ${place} ${fetch}\n`);
    });
    const event = join(folder, "events", group, kind);
    if (histogramKeys === undefined) {
      attempt(root, `switch on the probe of ${place}`, () => {
        writeFileSync(join(event, "enable"), "1");
      });
    } else histograms.push({ kind, file: count(root, event, histogramKeys) });
  }
  return histograms;
}

/** Some answers for each of the leaf sizes; 128 is the least that the kernel takes. */
const HISTOGRAM_ENTRIES = 128;

/** Has an event counted, by a trigger and so without a place in the buffer. @throws ERR_NOT_SUPPORTED */
function count(root: string, event: string, keys: readonly string[]): string {
  const file = join(event, "hist");
  if (!existsSync(file)) {
    throw hugebarError("ERR_NOT_SUPPORTED", {
      action: "count faults on device memory",
      problem: "this kernel was built without histograms of events (CONFIG_HIST_TRIGGERS)",
    });
  }
  attempt(root, "set a histogram", () => {
    writeFileSync(join(event, "trigger"), `hist:keys=${keys.join(",")}:size=${HISTOGRAM_ENTRIES}`);
  });
  return file;
}

/** @throws ERR_NOT_SUPPORTED where the kernel has no such event */
function switchOn(root: string, folder: string, tracepoint: string): void {
  const file = join(folder, "events", tracepoint, "enable");
  if (!existsSync(file)) {
    throw hugebarError("ERR_NOT_SUPPORTED", {
      action: ACTION,
      problem: `this kernel has no event ${tracepoint}: it comes with KVM on x86-64 (modprobe kvm)`,
    });
  }
  attempt(root, `switch on ${tracepoint}`, () => {
    writeFileSync(file, "1");
  });
}

function attempt(root: string, what: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    if (unreadable(error) === "not-permitted") throw notPermitted(error);
    if (error instanceof Error && "code" in error && error.code === "EROFS") {
      const problem = `${root} is read-only for this process; a service needs ProtectKernelTunables=no`;
      throw hugebarError("ERR_PERMISSION", { action: ACTION, problem }, error);
    }
    // The kernel explains itself in error_log: "[  12.3] trace_kprobe: error: Failed to find symbol".
    const said = readTextOrNull(join(root, "error_log")) ?? "";
    const reason = said.split("\n").findLast((line) => line.includes("error: "));
    const detail = reason === undefined ? "" : ` (${reason.replace(/^.*?error: /, "")})`;
    throw hugebarError(
      "ERR_NOT_SUPPORTED",
      { action: ACTION, problem: `cannot ${what}: ${failureInWords(error)}${detail}` },
      error,
    );
  }
}

/** The events that this instance did not keep: overwritten in its buffer, or missed by a probe. */
export function lostEvents(root: string, name: string): number {
  const cpus = join(root, "instances", name, "per_cpu");
  const overruns = listFolder(cpus).flatMap((cpu) => {
    const stats = readTextOrNull(join(cpus, cpu, "stats")) ?? "";
    return [...stats.matchAll(/^(?:overrun|dropped events): (\d+)$/gm)].map(([, count]) => Number(count));
  });
  // kprobe_profile: event, hits, misses (a return probe has a limited number of calls under way).
  const profile = readTextOrNull(join(root, "kprobe_profile")) ?? "";
  const events = new Set(dynamicEvents(root, name).map((event) => event.split("/")[1]));
  const missed = profile.split("\n").flatMap((line) => {
    const [event = "", , misses = "0"] = line.trim().split(/\s+/);
    return events.has(event) ? [Number(misses)] : [];
  });
  return [...overruns, ...missed].reduce((sum, count) => sum + count, 0);
}

const RETRIES = 100;
const RETRY_MILLISECONDS = 50;

/**
 * Removes the instance and its events; nothing there is nothing to do. While the kernel calls them busy (a reader that
 * is just ending) it tries again, for five seconds.
 */
export async function removeInstance(root: string, name: string): Promise<void> {
  for (let retry = 0; ; retry += 1) {
    try {
      removeNow(root, name);
      return;
    } catch (error) {
      if (retry === RETRIES) throw error;
      await setTimeout(RETRY_MILLISECONDS);
    }
  }
}

function removeNow(root: string, name: string): void {
  if (readdirSync(join(root, "instances")).includes(name)) rmdirSync(join(root, "instances", name));
  for (const event of dynamicEvents(root, name)) {
    appendFileSync(join(root, "dynamic_events"), `-:${event}\n`);
  }
}

/** The events of the instance, `GROUP/EVENT`. */
function dynamicEvents(root: string, name: string): string[] {
  const events = readFileSync(join(root, "dynamic_events"), "utf8");
  return events.split("\n").flatMap((line) => {
    const event = /^[a-z]\d*:(\S+)/.exec(line)?.[1];
    const group = event?.split("/")[0];
    const isOurs = group !== undefined && (group === name || group.startsWith(`${name}_`));
    return event !== undefined && isOurs ? [event] : [];
  });
}

/** Removes what earlier traces left behind whose process and guard were both killed. */
export async function removeLeftovers(root: string): Promise<void> {
  const own = instanceName();
  const namespace = own.slice(0, own.lastIndexOf("_") + 1);
  const alive = new Set(listFolder("/proc"));
  for (const name of listFolder(join(root, "instances"))) {
    if (!name.startsWith(namespace) || alive.has(name.slice(namespace.length))) continue;
    await removeInstance(root, name);
  }
}
