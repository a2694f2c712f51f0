/**
 * For tests: every interface of Node that goes on using a buffer after the call, while its memory is closed. Usage: `node
 * --expose-gc jobs.fixture.ts mapping|shared JOB`, or without a job to list them. It prints when the job ended and the
 * address space was given back, or ends by a signal, or by an exception that nobody can catch.
 */

import assert from "node:assert/strict";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { jobs, SIZE, type Job, type Started } from "./job-list.fixture.ts";
import { MemfdRegion } from "./memfd-region.fixture.ts";
import { isOneMapping } from "./own-mappings.ts";
import { SharedMemory } from "./shared-memory.ts";
import { waitingMemory } from "./waiting-memory.ts";

const [, , owner, name] = process.argv;
if (name === undefined) {
  process.stdout.write(Object.keys(jobs).join("\n"));
} else {
  await run(owner === "shared" ? openShared() : openMapping(), jobs[name]);
}

interface Memory {
  readonly address: bigint;
  bytes(): Uint8Array<ArrayBuffer>;
  close(): void;
}

function openShared(): Memory {
  const memory = new SharedMemory(SIZE);
  const { address } = memory;
  return { address, bytes: () => memory.bytes(0, SIZE), close: () => memory.close() };
}

function openMapping(): Memory {
  const region = new MemfdRegion(SIZE);
  const bytes = (): Uint8Array<ArrayBuffer> => {
    const view = region.memory.view(0, SIZE);
    assert.ok(view !== null);
    return new Uint8Array(view);
  };
  return { address: region.address, bytes, close: () => region.close() };
}

async function run(memory: Memory, job: Job | undefined): Promise<void> {
  assert.ok(job !== undefined, "no such job");
  const start = async (): Promise<Started> => await job(memory.bytes());
  const { ended, go } = await start();
  await nextTurn();
  memory.close();
  assert.equal(waitingMemory().bytes, SIZE);
  for (let turn = 0; turn < 5; turn += 1) await collect(2);
  go?.();
  await ended;
  for (let turn = 0; turn < 1000 && waitingMemory().ranges > 0; turn += 1) await collect(50);
  assert.deepEqual({ ...waitingMemory() }, { ranges: 0, bytes: 0, keptRanges: 0, keptBytes: 0 });
  assert.equal(isOneMapping(memory.address, memory.address + BigInt(SIZE)), false);
  process.stdout.write("given back\n");
  process.exit();
}

/** The collector calls back in turns of its own, and our own collections keep their distance. */
async function collect(pause: number): Promise<void> {
  globalThis.gc?.();
  await sleep(pause);
}
