/** Memory that clients map and unmap again and again: nothing of it may be kept. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { SharedMemory } from "../../../memory/shared-memory.ts";
import { F_DUPFD_CLOEXEC } from "../../../system/constants.ts";
import { linux } from "../../../system/libc.ts";
import { waitingMemory } from "../../../memory/waiting-memory.ts";
import { ClientMemory } from "./client-memory.ts";
import { Dma } from "./dma.ts";

const SIZE = 1 << 16;
/** Of the heap in 60,000 rounds, in bytes. */
const MOST_GROWTH = 4 << 20;

describe("120,000 rounds of map, view and unmap", () => {
  it("leave nothing behind", async () => {
    const shared = new SharedMemory(SIZE);
    const memory = new ClientMemory(() => assert.fail("a lease was taken back by force"));
    const dma = new Dma(memory, () => Promise.reject(new Error("nobody is asked")));
    const round = async (number: number): Promise<void> => {
      // Another place each time, as IOMMU drivers of guests do it.
      const iova = BigInt(number) << 27n;
      const fd = linux.fcntl(shared.fd, F_DUPFD_CLOEXEC, 0);
      memory.map({ iova, size: BigInt(SIZE), offset: 0n, readable: true, writable: true }, fd);
      const lease = dma.view(iova, 4096);
      await dma.write(iova, lease.bytes.subarray(0, 8));
      lease.release();
      assert.equal(memory.unmap(iova, BigInt(SIZE)), null);
      if (number % 1000 === 0) await nextTurn();
    };
    let number = 0;
    const rounds = async (count: number): Promise<Held> => {
      for (const end = number + count; number < end;) await round((number += 1));
      return await held();
    };
    await rounds(10_000);
    const looks: Held[] = [];
    while (looks.length < 6) looks.push(await rounds(20_000));
    // V8's tables of weak references are larger at one look than at another, by more than is looked for: the least counts.
    const least = (some: readonly Held[]): number => Math.min(...some.map(({ heap }) => heap));
    const growth = least(looks.slice(3)) - least(looks.slice(0, 3));
    assert.ok(
      growth < MOST_GROWTH,
      `${growth} bytes of heap more: ${looks.map(({ heap }) => heap).join(", ")}`,
    );
    const mapped = new Set(looks.map((look) => look.mapped));
    assert.equal(mapped.size, 1, "the memory's own mapping, and no other");
    assert.deepEqual(waitingMemory(), { ranges: 0, bytes: 0, keptRanges: 0, keptBytes: 0 });
    shared.close();
  });
});

interface Held {
  readonly heap: number;
  readonly mapped: number;
}

async function held(): Promise<Held> {
  setFlagsFromString("--expose-gc");
  // What the collector finds is given back in the event loop.
  do {
    runInNewContext("gc()");
    await sleep(20);
  } while (waitingMemory().ranges > 0);
  const mapped = readFileSync("/proc/self/maps", "utf8").split("memfd:").length;
  return { heap: process.memoryUsage().heapUsed, mapped };
}
