/** The thread that helps `scan-processes.ts` with a crowd. */

import { workerData } from "node:worker_threads";
import type { ScanHelp } from "./scan-processes.ts";
import { DONE, HELPER, scanTurns, TAKING } from "./scan-turns.ts";

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only scan-processes.ts starts this worker
const { proc, pids, turns, port } = workerData as ScanHelp;

Atomics.store(turns, HELPER, TAKING);
port.postMessage(scanTurns(proc, pids, turns));
Atomics.store(turns, HELPER, DONE);
Atomics.notify(turns, HELPER);
