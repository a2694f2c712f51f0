/**
 * Recognises a guest whose processors stand still: seen once, both halted for good, a timer interrupt being lost. Under
 * periodic ticks (machine/x86-64.ts) the thread of a processor that is well comes and goes hundreds of times a second
 * however busy the host is, so that one whose count of context switches does not move is not well. Silence of the console
 * would be no sign: a guest may be long at work.
 */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

import { askMonitor } from "./monitor.ts";

const pauseMilliseconds = 500;
/** Looks without a move in them, one after another: 8 s on an idle host. */
const looksUntilStill = 16;
/** What its processors must have run before, in clock ticks (proc(5)): before that QEMU may be loading files. */
const ticksUntilWatched = 100;

export interface Thread {
  readonly id: number;
  readonly name: string;
  readonly state: string;
  /** How often it came to run and went. */
  readonly switches: number;
  /** Processor time, in clock ticks. */
  readonly ticks: number;
}

/** Resolves when the processors of the QEMU with this monitor stand still; rejects when `signal` says that it is over. */
export async function standstill(pid: number, monitor: string, signal: AbortSignal): Promise<void> {
  const processors = await processorThreads(monitor, signal);
  let last = "";
  let still = 0;
  while (still < looksUntilStill) {
    await wait(pauseMilliseconds, undefined, { signal });
    const threads = threadsOf(pid).filter(({ id }) => processors.has(id));
    const ran = threads.reduce((sum, { ticks }) => sum + ticks, 0);
    const now = threads.map(({ switches, ticks }) => `${switches} ${ticks}`).join();
    still = ran >= ticksUntilWatched && now === last ? still + 1 : 0;
    last = now;
  }
}

/** The threads that run the guest's processors. */
async function processorThreads(monitor: string, signal: AbortSignal): Promise<ReadonlySet<number>> {
  for (;;) {
    await wait(pauseMilliseconds, undefined, { signal });
    const answer = await askMonitor(monitor, ["info cpus"]);
    const found = [...answer.matchAll(/thread_id=(\d+)/g)].map(([, id]) => Number(id));
    if (found.length > 0) return new Set(found);
  }
}

/** All threads of a process; none of one that is gone. */
export function threadsOf(pid: number): Thread[] {
  const folder = `/proc/${pid}/task`;
  try {
    return readdirSync(folder).flatMap((id) => threadAt(join(folder, id), Number(id)));
  } catch {
    return [];
  }
}

function threadAt(folder: string, id: number): Thread[] {
  try {
    const status = readFileSync(join(folder, "status"), "utf8");
    const field = (name: string): string =>
      new RegExp(String.raw`^${name}:\s*(.*)$`, "m").exec(status)?.[1] ?? "";
    // The fields count from behind the name: utime and stime are the 14th and 15th of all (proc(5)).
    const stat = readFileSync(join(folder, "stat"), "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return [
      {
        id,
        name: field("Name"),
        state: field("State"),
        switches: Number(field("voluntary_ctxt_switches")) + Number(field("nonvoluntary_ctxt_switches")),
        ticks: Number(fields[11]) + Number(fields[12]),
      },
    ];
  } catch {
    return [];
  }
}

/** What is needed to understand why a guest stands still; QEMU is asked last, as that moves its threads. */
export async function describeStandstill(pid: number, monitor: string): Promise<string> {
  const threads = threadsOf(pid).map(
    ({ id, name, state, switches, ticks }) =>
      `${id} ${name}: ${state}, ${switches} context switches, ${ticks} ticks of processor time\n`,
  );
  const answers = await askMonitor(monitor, [
    "info status",
    "info cpus",
    "info registers -a",
    "info lapic 0",
    "info lapic 1",
    "info pic",
    "info irq",
  ]);
  return `${threads.join("")}\n${answers}`;
}
