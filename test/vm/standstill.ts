/**
 * Recognises a guest whose processors stand still, of which two kinds were seen, both of them rare and both of QEMU's making:
 *
 * - All are halted for good, a timer's interrupt being lost. Under periodic ticks (machine/x86-64.ts) the thread of a
 *   processor that is well comes and goes hundreds of times a second however busy the host is, so that where no thread's count
 *   of context switches moves, none is well.
 * - One takes no interrupts any more: its local APIC has one in service whose end was lost, and the same one pending again. A
 *   handler ends it within microseconds, so that one that is in service look after look is not being handled.
 *
 * Silence of the console would be no sign: a guest may be long at work.
 */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

import { askMonitor } from "./monitor.ts";

const pauseMilliseconds = 1000;
/** Looks at which nothing has moved, one after another: some 8 s. */
const looksUntilStill = 8;
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

/** Resolves when processors of the QEMU with this monitor stand still; rejects when `signal` says that it is over. */
export async function standstill(pid: number, monitor: string, signal: AbortSignal): Promise<void> {
  const processors = await processorThreads(monitor, signal);
  const halted = new Unchanged();
  const deaf = new Unchanged();
  while (halted.looks < looksUntilStill && deaf.looks < looksUntilStill) {
    await wait(pauseMilliseconds, undefined, { signal });
    const threads = threadsOf(pid).filter(({ id }) => processors.includes(id));
    const ran = threads.reduce((sum, { ticks }) => sum + ticks, 0);
    const moves = threads.map(({ switches, ticks }) => `${switches} ${ticks}`).join();
    halted.look(ran >= ticksUntilWatched ? moves : null);
    const commands = processors.map((_, index) => `info lapic ${index}`);
    deaf.look(interruptsInService(await askMonitor(monitor, commands)));
  }
}

/** Counts looks that show the same as the first of them. */
class Unchanged {
  looks = 0;
  #last: string | null = null;

  /** @param now what is seen; null where there is nothing to see */
  look(now: string | null): void {
    this.looks = now !== null && now === this.#last ? this.looks + 1 : 0;
    this.#last = now;
  }
}

/** Of what the monitor says about local APICs, the vectors that are both in service and pending; null for none. */
export function interruptsInService(description: string): string | null {
  const stuck = description
    .split("dumping local APIC state")
    .slice(1)
    .flatMap((processor, index) => {
      const vectors = (name: string): string[] =>
        (new RegExp(String.raw`^${name}\t([ \d]+)$`, "m").exec(processor)?.[1] ?? "").trim().split(/ +/);
      const pending = new Set(vectors("IRR"));
      return vectors("ISR")
        .filter((vector) => vector !== "" && pending.has(vector))
        .map((vector) => `${index}: ${vector}`);
    });
  return stuck.length === 0 ? null : stuck.join();
}

/** The threads that run the guest's processors. */
async function processorThreads(monitor: string, signal: AbortSignal): Promise<readonly number[]> {
  for (;;) {
    await wait(pauseMilliseconds, undefined, { signal });
    const answer = await askMonitor(monitor, ["info cpus"]);
    const found = [...answer.matchAll(/thread_id=(\d+)/g)].map(([, id]) => Number(id));
    if (found.length > 0) return found;
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
