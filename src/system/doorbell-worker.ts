/** The worker of `doorbell.ts`: waits in epoll_wait and posts what is ready. */

import { parentPort, workerData } from "node:worker_threads";
import { linux } from "./libc.ts";
import { STOP_TOKEN, type DoorbellData } from "./doorbell.ts";

/**
 * How long one wait may last. It could last for ever, but a thread that was terminated from outside can no longer ring
 * to stop this one, and Node would wait for it without end.
 */
const WAIT_MILLISECONDS = 1000;

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only doorbell.ts starts this worker
const { epoll, loaded } = workerData as DoorbellData;

// The first call loads the C library.
for (let tokens = linux.epoll_wait(epoll, 0); !tokens.includes(STOP_TOKEN);) {
  if (Atomics.exchange(loaded, 0, 1) === 0) Atomics.notify(loaded, 0);
  if (tokens.length > 0) parentPort?.postMessage(tokens);
  tokens = linux.epoll_wait(epoll, WAIT_MILLISECONDS);
}
