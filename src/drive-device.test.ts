/** Driving a device as a user does: interrupts, DMA and registers of a device that another thread serves. */

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { afterEach, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openDescriptors } from "./system/descriptors.fixture.ts";
import type { Device } from "./device/device.ts";
import type { InterruptEvent } from "./device/interrupts/interrupt-sequence.ts";
import { SharedMemory } from "./memory/shared-memory.ts";
import { openDevice } from "./open.ts";
import {
  BUFFER,
  encodeOrder,
  FETCH,
  INCREMENT,
  RAISE,
  RAISE_INTX,
  STORE,
} from "./vfio-user/server/dma-device.fixture.ts";
import { servedSocket } from "./vfio-user/server/served-socket.fixture.ts";

const socket = servedSocket("dma-device.fixture.ts");
let device: Device;
beforeEach(() => {
  device = openDevice(`vfio-user:${socket}`);
});
afterEach(() => device.close());

function order(what: number, vector: number, iova = 0n, length = 0): void {
  const bar = device.region(0).map();
  bar.copyIn(0, encodeOrder(what, vector, iova, length));
  bar.close();
}

describe("a device's interrupts", () => {
  it("call back with their vector, and with how often they were raised", async () => {
    const interrupts = device.interrupts("msix");
    assert.equal(interrupts.count, 8);
    const events: InterruptEvent[] = [];
    const listener = interrupts.listen([1, 3], (event) => events.push(event));
    order(RAISE, 3);
    order(RAISE, 3);
    order(RAISE, 1);
    order(RAISE, 2);
    while (events.length < 2) await sleep(2);
    assert.deepEqual(
      events.toSorted((a, b) => a.vector - b.vector),
      [
        { vector: 1, signals: 1 },
        { vector: 3, signals: 2 },
      ],
    );
    listener.close();
    listener.close();
    order(RAISE, 3);
    await sleep(20);
    assert.equal(events.length, 2);
  });

  it("come as a sequence, and are given up when it is left", async () => {
    const interrupts = device.interrupts("msi");
    const vectors: number[] = [];
    setTimeout(() => {
      for (const vector of [0, 2, 1]) interrupts.trigger(vector);
    }, 10);
    for await (const { vector } of interrupts.events([0, 1, 2, 3])) {
      vectors.push(vector);
      if (vectors.length === 3) break;
    }
    assert.deepEqual(
      vectors.toSorted((a, b) => a - b),
      [0, 1, 2],
    );
    interrupts.listen([0, 1, 2, 3], () => {}).close();
  });

  it("become one of each vector while nobody asks for the next", async () => {
    const interrupts = device.interrupts("msi");
    const events = interrupts.events([0, 1]);
    const first = events.next();
    interrupts.trigger(0);
    assert.deepEqual(await first, { done: false, value: { vector: 0, signals: 1 } });
    for (let round = 0; round < 50; round += 1) {
      interrupts.trigger(0);
      interrupts.trigger(1);
      await sleep(1); // each round rings by itself
    }
    await sleep(20);
    const waited = [await events.next(), await events.next()];
    assert.deepEqual(
      waited.flatMap(({ value }) => value ?? []).toSorted((a, b) => a.vector - b.vector),
      [
        { vector: 0, signals: 50 },
        { vector: 1, signals: 50 },
      ],
    );
    await events.return();
  });

  it("are kept from the call on, before the first is asked for", async () => {
    const interrupts = device.interrupts("msi");
    const events = interrupts.events(2);
    interrupts.trigger(2);
    interrupts.trigger(2);
    await sleep(50);
    assert.deepEqual(await events.next(), { done: false, value: 2 });
    await events.return();
  });

  it("end as a sequence by return(), by a signal and with the device, also while the next is waited for", async () => {
    const interrupts = device.interrupts("msi");
    const end = { done: true, value: undefined };
    const returned = interrupts.events(0);
    const pending = returned.next();
    assert.deepEqual(await returned.return(), end);
    assert.deepEqual([await pending, await returned.next()], [end, end]);

    const controller = new AbortController();
    const aborted = interrupts.events(0, { signal: controller.signal });
    const waiting = aborted.next();
    controller.abort();
    assert.deepEqual(await waiting, end);
    assert.deepEqual(await interrupts.events(0, { signal: controller.signal }).next(), end);
    interrupts.listen([0], () => {}).close();

    const outlived = interrupts.events([0, 1]);
    const last = outlived.next();
    device.close();
    assert.deepEqual([await last, await outlived.next()], [end, end]);
  });

  it("reach the others of a batch when a listener throws", async () => {
    const interrupts = device.interrupts("msi");
    const thrown: unknown[] = [];
    const handlers = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", (error) => void thrown.push(error));
    try {
      const heard = new Set<number>();
      const listener = interrupts.listen([0, 1, 2, 3], ({ vector }) => {
        heard.add(vector);
        throw new Error(`vector ${vector}`);
      });
      for (let round = 1; round <= 3; round += 1) {
        heard.clear();
        for (const vector of [0, 1, 2, 3]) interrupts.trigger(vector);
        await settled(() => heard.size === 4);
      }
      listener[Symbol.dispose]();
      assert.ok(thrown.length >= 12);
    } finally {
      process.removeAllListeners("uncaughtException");
      for (const handler of handlers) process.on("uncaughtException", handler);
    }
  });

  it("are one listener's at a time, and only those there are", () => {
    const interrupts = device.interrupts("msix");
    const listener = interrupts.listen([0], () => {});
    assert.throws(() => interrupts.listen([1, 0], () => {}), {
      code: "ERR_BUSY",
      message: /interrupt 0 \(msix of vfio-user:/,
    });
    assert.throws(() => interrupts.listen([8], () => {}), {
      code: "ERR_ARGUMENT",
      message: /the device has 8/,
    });
    listener.close();
    interrupts.listen([1, 0], () => {}).close();
  });

  it("of a level come once for each unmask, and wait while masked", async () => {
    const intx = device.interrupts("intx");
    assert.ok(intx.automasked);
    const events: InterruptEvent[] = [];
    intx.listen([0], (event) => events.push(event));
    order(RAISE_INTX, 0);
    order(RAISE_INTX, 0);
    while (events.length === 0) await sleep(2);
    await sleep(20);
    assert.equal(events.length, 1);
    intx.unmask(0);
    while (events.length < 2) await sleep(2);
    intx.unmask(0);
    intx.mask(0);
    order(RAISE_INTX, 0);
    await sleep(20);
    assert.equal(events.length, 2);
  });

  it("end with the device, and leave nothing behind", async () => {
    await threadsAtRest();
    const before = threads();
    const descriptors = openDescriptors().length;
    device.interrupts("msix").listen([0, 1, 2, 3, 4, 5, 6, 7], () => {});
    await settled(() => threads() > before);
    device.close();
    device = openDevice(`vfio-user:${socket}`);
    await settled(() => threads() <= before && openDescriptors().length === descriptors);
  });
});

/** How many threads this process has: whoever listens has one more, which waits for the descriptors. */
function threads(): number {
  return readdirSync("/proc/self/task").length;
}

/** Waits until the threads of listeners before have ended, which they do in their own time. */
async function threadsAtRest(): Promise<void> {
  for (let count = -1, quiet = 0; quiet < 20; quiet = threads() === count ? quiet + 1 : 0) {
    count = threads();
    await sleep(10);
  }
}

/** Waits until it holds: threads end in their own time, but within seconds. */
async function settled(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds() && tries < 2000; tries += 1) await sleep(2);
  assert.ok(holds());
}

describe("a device's DMA", () => {
  it("reaches memory that is mapped for it, until it is unmapped", () => {
    const memory = new SharedMemory(0x10000);
    const mapping = device.dma.map(memory, 0x8000_0000n, { offset: 0x1000, size: 0x2000 });
    assert.equal(mapping.size, 0x2000);
    memory.bytes(0x1000, 4).set([1, 2, 3, 4]);
    order(FETCH, 0, 0x8000_0000n, 4);
    const bar = device.region(0).map();
    bar.copyIn(BUFFER, Uint8Array.of(5, 6));
    bar.close();
    order(STORE, 0, 0x8000_1000n, 2);
    order(INCREMENT, 0, 0x8000_1000n, 2);
    assert.deepEqual([...memory.bytes(0x2000, 2)], [6, 7]);
    mapping.close();
    mapping.close();
    assert.throws(() => order(FETCH, 0, 0x8000_0000n, 4), { code: "ERR_DEVICE" });
    memory.close();
  });

  it("does not reach what may only be read, or lies outside", () => {
    const memory = new SharedMemory(0x1000);
    device.dma.map(memory, 0n, { writable: false });
    order(FETCH, 0, 0n, 4);
    assert.throws(() => order(STORE, 0, 0n, 4), { code: "ERR_DEVICE" });
    for (const options of [
      { offset: 0x1000 },
      { size: 0x1001 },
      { offset: -1 },
      { size: 0 },
      { offset: 0.5 },
    ]) {
      assert.throws(() => device.dma.map(memory, 0x10000n, options), { code: "ERR_ARGUMENT" });
    }
    memory.close();
  });

  it("keeps memory that is closed while mapped where it is, until the device is closed", () => {
    const memory = new SharedMemory(0x1000);
    device.dma.map(memory, 0n);
    const bytes = memory.bytes(0, 4);
    bytes.fill(3);
    memory.close();
    assert.equal(bytes[0], 3);
    order(STORE, 0, 0n, 4);
    device.close();
    assert.equal(bytes[0], 0);
  });
});
