/**
 * The device mappings of many processes. The kernel takes a third of a microsecond for each line of maps it writes, far
 * longer than looking at it takes; so a crowd is looked at by two threads, this one and one that helps once it runs.
 */

import { availableParallelism } from "node:os";
import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from "node:worker_threads";
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

/** Scans the maps of all these processes; they come back in the order given. */
export function scanProcesses(proc: string, pids: readonly number[]): ScannedProcess[] {
  const turns = newTurns();
  const crowd = pids.length >= CROWD && availableParallelism() > 1;
  const helper = crowd ? startHelper(proc, pids, turns) : null;
  const scanned = scanTurns(proc, pids, turns);
  if (helper === null) return scanned;
  const found = new Map([...scanned, ...helper.finds()].map((each) => [each.pid, each]));
  const missing = pids.filter((pid) => !found.has(pid));
  for (const each of scanTurns(proc, missing, newTurns())) found.set(each.pid, each);
  return pids.map((pid) => found.get(pid)).filter((each) => each !== undefined);
}

interface Helper {
  /** Waits for what the helper has taken, and returns it. */
  finds(): readonly ScannedProcess[];
}

/** Null where no thread can be had (`node --permission`): this one then does it all. */
function startHelper(proc: string, pids: readonly number[], turns: Turns): Helper | null {
  const { port1, port2 } = new MessageChannel();
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const workerData: ScanHelp = { proc, pids, turns, port: port2 };
  let worker: Worker;
  try {
    worker = new Worker(new URL(`./scan-worker.${extension}`, import.meta.url), {
      name: "hugebar-scan",
      // Not this thread's: `--input-type` would keep files from loading.
      execArgv: [],
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
      const finds: unknown = receiveMessageOnPort(port1)?.message ?? [];
      port1.close();
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what scan-worker.ts posts
      return finds as readonly ScannedProcess[];
    },
  };
}
