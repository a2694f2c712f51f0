/**
 * For tests: what a caller may still hold after a mapping was closed, used. Usage: `node --expose-gc
 * closed-memory.fixture.ts SCENARIO`; a wrong step ends this process by a signal, or with an error.
 */

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { ForeignMemory } from "./foreign-memory.ts";
import { linux } from "../system/libc.ts";
import { isOneMapping } from "./own-mappings.ts";
import { MemfdRegion } from "./memfd-region.fixture.ts";
import { waitingMemory } from "./waiting-memory.ts";

const SIZE = 16 * linux.pageSize;
const region = new MemfdRegion(SIZE);
const { memory } = region;
const close = () => region.close();
memory.write32(0, 0x5555_5555);

function view(): ArrayBuffer {
  const buffer = memory.view(0, SIZE);
  assert.ok(buffer !== null);
  return buffer;
}

/** The collector calls back in turns of its own. */
async function collect(): Promise<void> {
  globalThis.gc?.();
  await sleep(10);
}

/** Collects garbage until nothing waits; returns whether the address space of the region is free then. */
async function givenBack(): Promise<boolean> {
  for (let turn = 0; turn < 1000 && waitingMemory().ranges > 0; turn += 1) await collect();
  return waitingMemory().ranges === 0 && !isOneMapping(region.address, region.address + BigInt(SIZE));
}

function throwsClosed(...accesses: (() => unknown)[]): void {
  for (const access of accesses) assert.throws(access, { code: "ERR_CLOSED" });
}

const scenarios: Record<string, () => string | Promise<string>> = {
  methods() {
    close();
    const bytes = new Uint8Array(4);
    throwsClosed(
      () => memory.read8(0),
      () => memory.read16(0),
      () => memory.read32(0),
      () => memory.read64(0),
      () => memory.write8(0, 1),
      () => memory.write16(0, 1),
      () => memory.write32(0, 1),
      () => memory.write64(0, 1n),
      () => memory.read32(1),
      () => memory.read32(SIZE),
      () => memory.copyIn(0, bytes),
      () => memory.copyOut(0, bytes),
      () => memory.view(0, 4),
    );
    return "gone";
  },
  async views() {
    const use = (): void => {
      const buffer = view();
      const [words, data] = [new Int32Array(buffer), new DataView(buffer)];
      assert.equal(words[0], 0x5555_5555);
      close();
      // No more the device's memory, but memory.
      for (const read of [() => words[0], () => data.getInt32(0), () => Atomics.load(words, 0)])
        assert.equal(read(), 0);
      words.fill(1);
      Atomics.store(words, 1, 7);
      assert.deepEqual([data.getInt32(0, true), data.getInt32(4, true)], [1, 7]);
      assert.deepEqual([...region.inFile(4)], [0x55, 0x55, 0x55, 0x55]);
      assert.deepEqual({ ...waitingMemory() }, { ranges: 1, bytes: SIZE, keptRanges: 0, keptBytes: 0 });
    };
    use();
    return (await givenBack()) ? "given back" : "kept";
  },
  async "dropped view"() {
    view();
    assert.equal(view(), view(), "the same for the same range");
    close();
    assert.equal(waitingMemory().ranges, 1);
    return (await givenBack()) ? "given back" : "kept";
  },
  /** The value to write closes the mapping, after the access was checked. */
  coercion() {
    const value = {
      valueOf() {
        close();
        return 1;
      },
    };
    try {
      Reflect.apply(memory.write32.bind(memory), undefined, [0, value]);
    } catch (error) {
      assert.ok(error instanceof TypeError);
    }
    return "gone";
  },
  async "leaked lease"() {
    const foreign = new ForeignMemory(region.address, SIZE, linux);
    const gone: true[] = [];
    const leak = (): void => void foreign.lease(0, SIZE);
    leak();
    foreign.close(() => gone.push(true));
    assert.equal(gone.length, 0);
    for (let turn = 0; turn < 100 && gone.length === 0; turn += 1) {
      await collect();
    }
    assert.equal(gone.length, 1);
    return "gone";
  },
  /** Carries the first of 300 views off by `carry`, where it can be, drops it, and reads by what it was carried into. */
  async "transfer by force"() {
    return await carryOff((bytes) => ArrayBuffer.prototype.transfer.call(bytes.buffer));
  },
  async "byte stream"() {
    return await carryOff(async (bytes) => {
      const stream = new ReadableStream({ type: "bytes", start: (controller) => controller.enqueue(bytes) });
      const { value } = await stream.getReader().read();
      assert.ok(value instanceof Uint8Array);
      return value.buffer;
    });
  },
  async "reading into it from a byte stream"() {
    return await carryOff(async (bytes) => {
      const stream = new ReadableStream({
        type: "bytes",
        pull: (controller) => controller.byobRequest?.respond(1),
      });
      const { value } = await stream.getReader({ mode: "byob" }).read(bytes);
      assert.ok(value instanceof Uint8Array);
      return value.buffer;
    });
  },
  async "transfer by force after close"() {
    return await carryOff((bytes) => ArrayBuffer.prototype.transfer.call(bytes.buffer), close);
  },
  async "byte stream after close"() {
    return await carryOff(async (bytes) => {
      const stream = new ReadableStream({ type: "bytes", start: (controller) => controller.enqueue(bytes) });
      const { value } = await stream.getReader().read();
      assert.ok(value instanceof Uint8Array);
      return value.buffer;
    }, close);
  },
  async "transfer long after close"() {
    const views: ArrayBuffer[] = [view()];
    close();
    for (let turn = 0; turn < 20; turn += 1) await collect();
    const carried = ArrayBuffer.prototype.transfer.call(views.pop());
    return await harmless(carried);
  },
  async "many views"() {
    const used = async (): Promise<number> => {
      for (let batch = 0; batch < 20; batch += 1) {
        for (let each = 0; each < 1000; each += 1) memory.view(each, 1 + batch);
        await new Promise((resolve) => setImmediate(resolve));
      }
      globalThis.gc?.();
      return process.memoryUsage().heapUsed;
    };
    const first = await used();
    const growth = (await used(), (await used()) - first);
    // 40,000 views take some 10 MB if they are kept.
    assert.ok(growth < 2 ** 20, `${growth} bytes more`);
    close();
    // Not all of them could be watched.
    assert.equal(waitingMemory().keptRanges, 1);
    return "bounded";
  },
};

async function carryOff(
  carry: (bytes: Uint8Array<ArrayBuffer>) => ArrayBuffer | Promise<ArrayBuffer>,
  before: () => void = () => {},
): Promise<string> {
  const attempt = async (): Promise<ArrayBuffer> => {
    const bytes = new Uint8Array(view());
    before();
    return await carry(bytes);
  };
  const carried = await attempt();
  if (before !== close) for (let count = 0; count < 300; count += 1) memory.view(count, 8);
  for (let turn = 0; turn < 10; turn += 1) await collect();
  close();
  return await harmless(carried);
}

/** Whether a buffer that was carried off from the memory, closed by now, is memory of its own and stays it. */
async function harmless(carried: ArrayBuffer): Promise<string> {
  await givenBack();
  for (let turn = 0; turn < 10; turn += 1) await collect();
  assert.equal(new Uint8Array(carried)[0], 0);
  new Uint8Array(carried).fill(1);
  assert.deepEqual([...region.inFile(4)], [0x55, 0x55, 0x55, 0x55]);
  assert.deepEqual({ ...waitingMemory() }, { ranges: 0, bytes: 0, keptRanges: 1, keptBytes: SIZE });
  return "harmless";
}

const scenario = scenarios[process.argv[2] ?? ""];
assert.ok(scenario !== undefined, "no such scenario");
process.stdout.write(`${await scenario()}\n`);
