/**
 * For tests: lays and releases regions while worker threads map and unmap memory of their own, which must keep what
 * they wrote there. Usage: `node churn.fixture.ts ROUNDS`; prints what was done as JSON, and exits 1 when a worker's
 * memory changed. A worker's memory that was unmapped ends the process by a signal.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { isMainThread, threadId, Worker, workerData } from "node:worker_threads";
import type { Area } from "../layout/areas.ts";
import { strategies } from "../layout/strategies.ts";
import * as c from "../system/constants.ts";
import { layRegion } from "./lay-region.ts";
import { linux } from "../system/libc.ts";
import { createMemfd } from "./memfd.ts";

const WORKERS = 2;
const PAGE = linux.pageSize;
/** Shared: whether to stop, and how many mappings the workers have verified. */
const [STOP, VERIFIED] = [0, 1];

if (isMainThread) await main(Number(process.argv[2]));
else {
  const shared: unknown = workerData;
  assert.ok(shared instanceof SharedArrayBuffer);
  churn(threadId, new Int32Array(shared));
}

async function main(rounds: number): Promise<void> {
  const shared = new Int32Array(new SharedArrayBuffer(8));
  const workers = Array.from(
    { length: WORKERS },
    () => new Worker(new URL(import.meta.url), { workerData: shared.buffer }),
  );
  await Promise.all(workers.map((worker) => once(worker, "online")));
  const fd = createMemfd("churn", 64 * PAGE, linux);
  const areas: Area[] = [1, 3, 5, 7].map((place) => ({ offset: 8 * place * PAGE, size: 8 * PAGE }));
  for (let round = 0; round < rounds; round += 1) {
    const strategy = strategies[round % strategies.length] ?? "region";
    const gaps = round % 3 === 0 ? "guard" : "unmap";
    const protection = c.PROT_READ | c.PROT_WRITE;
    const physical = BigInt(round % 16) * BigInt(PAGE);
    const request = {
      region: "0 of churn",
      size: 72 * PAGE,
      areas,
      strategy,
      gaps,
      protection,
      physical,
    } as const;
    if (round % 10 === 9) assert.throws(() => layRegion({ ...request, fd: -1, fdOffset: 0 }, linux));
    const laid = layRegion({ ...request, fd, fdOffset: 0 }, linux);
    laid.release();
  }
  Atomics.store(shared, STOP, 1);
  const codes = await Promise.all(workers.map((worker) => once(worker, "exit")));
  process.stdout.write(JSON.stringify({ rounds, verified: Atomics.load(shared, VERIFIED) }));
  if (codes.some(([code]) => code !== 0)) process.exitCode = 1;
}

/** Maps, fills, checks and unmaps memory of changing sizes, some mappings always alive. */
function churn(number: number, shared: Int32Array): void {
  const alive: { address: bigint; size: number; mark: number }[] = [];
  for (let round = 0; Atomics.load(shared, STOP) === 0; round += 1) {
    const size = (1 + ((round * 7 + number) % 16)) * PAGE;
    const flags = c.MAP_PRIVATE | c.MAP_ANONYMOUS;
    const address = linux.mmap(0n, size, c.PROT_READ | c.PROT_WRITE, flags, -1, 0);
    const mark = 1 + (round % 250);
    touch(address, size, (bytes, at) => (bytes[at] = mark));
    alive.push({ address, size, mark });
    const oldest = alive.length > 32 ? alive.shift() : undefined;
    if (oldest === undefined) continue;
    touch(oldest.address, oldest.size, (bytes, at) => assert.equal(bytes[at], oldest.mark));
    linux.munmap(oldest.address, oldest.size);
    Atomics.add(shared, VERIFIED, 1);
  }
}

function touch(address: bigint, size: number, each: (bytes: Uint8Array, at: number) => void): void {
  const view = linux.view(address, size);
  const bytes = new Uint8Array(view);
  for (let at = 0; at < size; at += PAGE) each(bytes, at);
  linux.detach(view);
}
