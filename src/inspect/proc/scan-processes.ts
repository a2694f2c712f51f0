/**
 * The device mappings of many processes. The kernel takes a third of a microsecond for each line of maps it writes, far
 * longer than looking at it takes; so a crowd is looked at by two threads, this one and one that helps once it runs.
 */

import { availableParallelism } from "node:os";
import type { MessagePort, Worker } from "node:worker_threads";
import { startThread } from "../../system/own-modules.ts";
import { isProcfs, listProcesses } from "./process.ts";
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
/** How long the helper may stay behind with its last turn; then this thread looks at all by itself. */
const PATIENCE_MILLISECONDS = 2000;

/**
 * Scans the maps of these processes, or of all there are.
 *
 * @returns one for each, in the order given; of all, by number
 */
export function scanProcesses(proc: string, pids: readonly number[] | null): ScannedProcess[] {
  const listed = pids ?? listProcesses(proc);
  // Files of a recorded machine are read in less time than a thread takes to start.
  const isCrowd = listed.length >= CROWD && availableParallelism() > 1 && isProcfs(proc);
  const finds = isCrowd ? scanTogether(proc, listed) : scanTurns(proc, listed, newTurns());
  const found = new Map(finds.map((each) => [each.pid, each]));
  return listed.map((pid) => found.get(pid) ?? { pid, found: [] });
}

/** Scans with the help of a second thread; those in which there was nothing to find are left out, and the order is any. */
export function scanTogether(proc: string, pids: readonly number[]): ScannedProcess[] {
  const turns = newTurns();
  const helper = startHelper(proc, pids, turns);
  const own = scanTurns(proc, pids, turns);
  if (helper === null) return own;
  const finds = helper.finds();
  return finds === null ? scanTurns(proc, pids, newTurns()) : [...own, ...finds];
}

interface Helper {
  /** Waits for the helper, and returns what it has found; null when it does not come to its end. */
  finds(): readonly ScannedProcess[] | null;
}

/** Null where no thread can be had (`node --permission`): this one then does it all. */
function startHelper(proc: string, pids: readonly number[], turns: Turns): Helper | null {
  // Loaded for a crowd only: it takes 2 ms.
  const threads = process.getBuiltinModule("node:worker_threads");
  const { port1, port2 } = new threads.MessageChannel();
  const workerData: ScanHelp = { proc, pids, turns, port: port2 };
  let worker: Worker;
  try {
    worker = startThread(import.meta.url, "scan-worker", {
      name: "hugebar-scan",
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
      const late = Atomics.wait(turns, HELPER, TAKING, PATIENCE_MILLISECONDS) === "timed-out";
      const finds: unknown = threads.receiveMessageOnPort(port1)?.message ?? [];
      port1.close();
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what scan-worker.ts posts
      return late ? null : (finds as readonly ScannedProcess[]);
    },
  };
}
