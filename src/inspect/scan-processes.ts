/**
 * The device mappings of many processes. The kernel takes a third of a microsecond for each line of maps it writes, far
 * longer than looking at it takes; so a crowd is looked at by two threads, this one and one that helps once it runs.
 */

import { availableParallelism } from "node:os";
import type { MessagePort, Worker } from "node:worker_threads";
import { HELPER, newTurns, scanTurns, TAKING, type ScannedProcess, type Turns } from "./scan-turns.ts";

/** What the helping thread is started with. */
export interface ScanHelp {
  readonly proc: string;
  readonly pids: readonly number[];
  readonly turns: Turns;
  /** Takes what it finds: an array of `ScannedProcess`. */
  readonly port: MessagePort;
}

/** Fewer processes are looked at before a thread has started, which takes about 15 ms. */
const CROWD = 512;
/** How long the helper may stay behind with its last turn; what it has taken and not told is looked at again. */
const PATIENCE_MILLISECONDS = 2000;

/** A scan under way. */
export interface Scan {
  /** Scans what is left, waits for what the helper has taken, and returns all in the order given; to be called once. */
  finish(): ScannedProcess[];
}

/** Scans the maps of all these processes; they come back in the order given. */
export function scanProcesses(proc: string, pids: readonly number[]): ScannedProcess[] {
  return startScan(proc, pids).finish();
}

/** The same for who has something else to do before: of a crowd the helper begins meanwhile. */
export function startScan(proc: string, pids: readonly number[]): Scan {
  const turns = newTurns();
  const crowd = pids.length >= CROWD && availableParallelism() > 1;
  const helper = crowd ? startHelper(proc, pids, turns) : null;
  return {
    finish() {
      const scanned = scanTurns(proc, pids, turns);
      if (helper === null) return scanned;
      const found = new Map([...scanned, ...helper.finds()].map((each) => [each.pid, each]));
      const missing = pids.filter((pid) => !found.has(pid));
      for (const each of scanTurns(proc, missing, newTurns())) found.set(each.pid, each);
      return pids.map((pid) => found.get(pid)).filter((each) => each !== undefined);
    },
  };
}

interface Helper {
  /** Waits for what the helper has taken, and returns it. */
  finds(): readonly ScannedProcess[];
}

/** Null where no thread can be had (`node --permission`): this one then does it all. */
function startHelper(proc: string, pids: readonly number[], turns: Turns): Helper | null {
  // Loaded for a crowd only: it takes 2 ms.
  const threads = process.getBuiltinModule("node:worker_threads");
  const { port1, port2 } = new threads.MessageChannel();
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const workerData: ScanHelp = { proc, pids, turns, port: port2 };
  let worker: Worker;
  try {
    worker = new threads.Worker(new URL(`./scan-worker.${extension}`, import.meta.url), {
      name: "hugebar-scan",
      // Not this thread's: `--input-type` would keep files from loading.
      execArgv: [],
      env: threads.SHARE_ENV, // a copy takes a millisecond
      workerData,
      transferList: [port2],
    });
  } catch {
    port1.close();
    return null;
  }
  worker.unref();
  worker.on("error", () => undefined);
  return {
    finds() {
      // One that does not run by now will find nothing left to take.
      if (Atomics.load(turns, HELPER) === TAKING) {
        Atomics.wait(turns, HELPER, TAKING, PATIENCE_MILLISECONDS);
      }
      const finds: unknown = threads.receiveMessageOnPort(port1)?.message ?? [];
      port1.close();
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what scan-worker.ts posts
      return finds as readonly ScannedProcess[];
    },
  };
}
