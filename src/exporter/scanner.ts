/** Scans when somebody asks, and no more often than once in an interval, however many ask. */

import { spawn, type ChildProcess } from "node:child_process";
import { programOf } from "../system/own-modules.ts";
import type { MachineRoots } from "../vfio/device-uses.ts";
import { NOTHING_LEARNED } from "../rules/learned.ts";
import { counter, gauge, type Family } from "./families.ts";
import { parseAnswer, type ScanAnswer } from "./scan-answer.ts";

export interface ScannerOptions {
  readonly roots: MachineRoots;
  /** No scan begins sooner than this after the last one began. */
  readonly intervalMilliseconds: number;
  /** How long a scan may take; then it is ended and counts as failed. */
  readonly limitMilliseconds: number;
  /** Told why a scan has failed. */
  readonly onFailure: (problem: string) => void;
}

export interface Scanner {
  /** The metrics of the newest scan, and of the scan itself. A failed scan has none but its own. */
  metrics(): Promise<readonly Family[]>;
  /** Ends a scan that is under way. */
  close(): void;
}

interface Outcome {
  readonly families: readonly Family[];
  /** Null where it succeeded. */
  readonly problem: string | null;
  readonly seconds: number;
  /** Seconds since 1970 when it ended. */
  readonly time: number;
}

/** What a scan of a machine prints is some hundred KiB; more is a fault. */
const MOST_BYTES = 64 * 1024 * 1024;

export function startScanner(options: ScannerOptions): Scanner {
  let latest: { readonly began: number; readonly outcome: Promise<Outcome> } | null = null;
  let running: ChildProcess | null = null;
  let failures = 0;
  let closed = false;
  /** Of the kernel, for as long as this process runs; and whether more may be, of a process's smaps. */
  let learned = NOTHING_LEARNED;
  let smaps: "once" | "never" = "once";

  const scan = async (): Promise<Outcome> => {
    const began = performance.now();
    const { roots, limitMilliseconds, onFailure } = options;
    const child = spawn(
      process.execPath,
      [...programOf(import.meta.url, "scan-process"), roots.proc, roots.sys, smaps, JSON.stringify(learned)],
      {
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    running = child;
    const { answer, problem } = await answerOf(child, limitMilliseconds);
    running = null;
    if (answer !== null) learned = answer.learned;
    // What kept it may have been that reading, which is not to be tried again and again.
    else smaps = "never";
    if (problem !== null && !closed) {
      failures += 1;
      onFailure(problem);
    }
    return {
      families: answer?.families ?? [],
      problem,
      seconds: (performance.now() - began) / 1000,
      time: Date.now() / 1000,
    };
  };

  return {
    async metrics() {
      const now = performance.now();
      if (latest === null || now - latest.began >= options.intervalMilliseconds) {
        // Whoever asks while it runs waits for the same one: it began within the interval, or is limited.
        if (running === null) latest = { began: now, outcome: scan() };
      }
      const outcome = await latest?.outcome;
      return outcome === undefined ? [] : [...outcome.families, ...scanFamilies(outcome, failures)];
    },
    close() {
      closed = true;
      running?.kill("SIGKILL");
    },
  };
}

/** What a scan says of itself, and how many have failed. */
export function scanFamilies(
  { problem, seconds, time }: Pick<Outcome, "problem" | "seconds" | "time">,
  failures: number,
): Family[] {
  const success = gauge(
    "hugebar_scan_success",
    "Whether the last scan came to its end; 0: its metrics are left out.",
  );
  success.add({}, Number(problem === null));
  const duration = gauge("hugebar_scan_duration_seconds", "How long the last scan took.");
  duration.add({}, seconds);
  const at = gauge("hugebar_scan_time_seconds", "When the last scan ended, in seconds since 1970.");
  at.add({}, time);
  const failed = counter(
    "hugebar_scan_failures_total",
    "Scans that did not come to their end, since the exporter was started.",
  );
  failed.add({}, failures);
  return [success, duration, at, failed];
}

/** What a scan answered, or why it did not. */
type Answer =
  | { readonly answer: ScanAnswer; readonly problem: null }
  | { readonly answer: null; readonly problem: string };

/** Waits for the scan's end, or for the limit: one that cannot even be killed is left alone. */
async function answerOf(child: ChildProcess, limitMilliseconds: number): Promise<Answer> {
  const failed = (problem: string): Answer => ({ answer: null, problem });
  const { promise, resolve } = Promise.withResolvers<Answer>();
  const parts: Buffer[] = [];
  let bytes = 0;
  let messages = "";
  child.stdout?.on("data", (part: Buffer) => {
    bytes += part.length;
    if (bytes <= MOST_BYTES) parts.push(part);
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    messages = (messages + text).slice(0, 2000);
  });
  child.once("error", (error) => resolve(failed(`it could not be started: ${error.message}`)));
  child.once("close", (status, signal) => {
    if (status !== 0) resolve(failed(`it ended with ${signal ?? `status ${status}`}: ${messages.trim()}`));
    else if (bytes > MOST_BYTES) resolve(failed("it printed more than 64 MiB"));
    else {
      const answer = parseAnswer(Buffer.concat(parts).toString("utf8"));
      resolve(answer === null ? failed("what it printed is not its metrics") : { answer, problem: null });
    }
  });
  const timer = setTimeout(() => {
    child.kill("SIGKILL");
    child.stdout?.destroy();
    child.stderr?.destroy();
    child.unref();
    resolve(failed(`it was not done within ${limitMilliseconds / 1000} s`));
  }, limitMilliseconds);
  const answer = await promise;
  clearTimeout(timer);
  return answer;
}
