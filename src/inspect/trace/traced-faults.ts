/** Traced faults by process, region and leaf size: who took them, on what. */

import type { MachineRoots } from "../../vfio/device-uses.ts";
import type { Identity } from "../identify/identity.ts";
import { inspectMachine } from "../inspect.ts";
import { readCommand } from "../proc/process.ts";
import { faultResult } from "./fault-answers.ts";
import type { FaultCount } from "./trace-events.ts";

/** The faults of one process on one mapping for leaves of one size. */
export interface TracedFaults {
  /** 0 where the thread was gone before the kernel knew whose it was. */
  readonly pid: number;
  /** Empty where the process was gone before it could be looked at. */
  readonly command: string;
  /** Address of the mapping's first byte. */
  readonly address: bigint;
  readonly device: string | null;
  readonly region: number | null;
  /** log2 of the leaf's size in pages. */
  readonly order: number;
  /** The kernel laid the leaf. */
  readonly done: number;
  /** It could not be that large; the kernel asked again for the next smaller one. */
  readonly fellBack: number;
  /** The access itself failed: the device is asleep, or its memory is switched off. */
  readonly failed: number;
}

interface KnownProcess {
  readonly command: string;
  readonly identities: ReadonlyMap<bigint, Identity>;
  readonly lookedAt: number;
}

/** Names processes and devices while they are there, so that the faults of those that end are named too. */
export interface FaultNames {
  /**
   * Looks at the processes that have faults on mappings not seen yet, but for those looked at within the last
   * `restMilliseconds` (500 unless given): a look costs as much as `hugebar inspect PID`.
   */
  learn(counts: readonly FaultCount[], restMilliseconds?: number): void;
  /** The faults, in the order of processes, addresses and sizes (large to small). */
  name(counts: readonly FaultCount[]): TracedFaults[];
}

const REST_MILLISECONDS = 500;

export function faultNames(roots: MachineRoots): FaultNames {
  const known = new Map<number, KnownProcess>();
  return {
    learn(counts, restMilliseconds = REST_MILLISECONDS) {
      const now = performance.now();
      for (const { pid, start } of counts) {
        const seen = known.get(pid);
        if (pid === 0 || seen?.identities.has(start) === true) continue;
        if (seen !== undefined && now - seen.lookedAt < restMilliseconds) continue;
        known.set(pid, look(roots, pid, seen, now));
      }
    },
    name(counts) {
      const rows = new Map<string, TracedFaults>();
      for (const { pid, start, order, answer, count } of counts) {
        const process = known.get(pid);
        const identity = process?.identities.get(start);
        const key = `${pid} ${start} ${order}`;
        const row = rows.get(key);
        const result = faultResult(answer);
        rows.set(key, {
          pid,
          command: process?.command ?? "",
          address: start,
          device: identity?.device ?? null,
          region: identity?.region ?? null,
          order,
          done: (row?.done ?? 0) + (result === "done" ? count : 0),
          fellBack: (row?.fellBack ?? 0) + (result === "fellBack" ? count : 0),
          failed: (row?.failed ?? 0) + (result === "failed" ? count : 0),
        });
      }
      return [...rows.values()].sort(
        (a, b) => a.pid - b.pid || compare(a.address, b.address) || b.order - a.order,
      );
    },
  };
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What is known of the process now, beside what was known before: mappings come and go. */
function look(roots: MachineRoots, pid: number, before: KnownProcess | undefined, now: number): KnownProcess {
  const identities = new Map(before?.identities);
  const { processes } = inspectMachine(roots, [pid], { smaps: "never" });
  for (const { vmas, identity } of processes.flatMap(({ mappings }) => mappings)) {
    for (const { start } of vmas) identities.set(start, identity);
  }
  const command = readCommand(roots.proc, pid);
  return { command: command === "" ? (before?.command ?? "") : command, identities, lookedAt: now };
}
