/** Waiting for what another process does in its own time. */

import { setTimeout as sleep } from "node:timers/promises";

const patienceMilliseconds = 240_000;

/** Waits until `condition` holds, however busy the machine; `what` says what did not come in minutes. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + patienceMilliseconds;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`Waited in vain for ${what}`);
    await sleep(10);
  }
}
