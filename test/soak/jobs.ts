/**
 * Maps a region, takes a view, starts a job on another thread, and closes while it runs: `node jobs.ts ROUNDS` does so
 * many, a fifth of it beforehand, and prints what the process held before and after, and how much waited at most, as JSON.
 */

import { randomFill } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { fileDevice } from "../../bench/file-device.ts";
import { waitingMemory } from "../../src/index.ts";
import { usage, type Usage } from "./usage.ts";

/** As many at once as libuv has threads for, and some that queue. */
const AT_ONCE = 16;

const device = fileDevice(2 ** 24, [{ offset: 0, size: 2 ** 24 }]);
const region = device.region(0);
let most = 0;

function round(): Promise<void> {
  const bar = region.map();
  const bytes = new Uint8Array(bar.view(4096, 256));
  const ended = new Promise<void>((resolve, reject) => {
    randomFill(bytes, (error) => (error === null ? resolve() : reject(error)));
  });
  bar.close();
  return ended;
}

async function rounds(count: number): Promise<void> {
  for (let done = 0; done < count; done += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, round));
    most = Math.max(most, waitingMemory().ranges);
  }
}

/** Until the collector has said of all buffers that they are gone. */
async function settled(): Promise<Usage> {
  while (waitingMemory().ranges > 0) {
    usage();
    await sleep(20);
  }
  return usage();
}

const count = Number(process.argv[2]);
await rounds(count / 5);
const before = await settled();
await rounds(count);
const after = await settled();
process.stdout.write(JSON.stringify({ before, after, most, waiting: waitingMemory() }));
