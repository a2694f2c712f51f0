/**
 * For tests: what a caller may still hold after a mapping was closed, used. Usage: `node --expose-gc
 * closed-memory.fixture.ts SCENARIO`; a wrong step ends this process by a signal, or with an error.
 */

import assert from "node:assert/strict";
import * as c from "../system/constants.ts";
import { layRegion } from "./lay-region.ts";
import { linux } from "../system/libc.ts";
import { MappedMemory } from "./mapped-memory.ts";
import { createMemfd } from "./memfd.ts";

const SIZE = 16 * linux.pageSize;
const fd = createMemfd("closed-memory", SIZE, linux);
const areas = [{ offset: 0, size: SIZE }];
const protection = c.PROT_READ | c.PROT_WRITE;
const request = {
  region: "0 of a test",
  size: SIZE,
  areas,
  protection,
  fd,
  fdOffset: 0,
  physical: null,
} as const;
const laid = layRegion({ ...request, strategy: "region", gaps: "unmap" }, linux);
const memory = new MappedMemory(laid.base, SIZE, "region 0 of a test", linux);
memory.write32(0, 0x5555_5555);

/** As `Mapping` closes. */
function close(): void {
  laid.release(memory.detach() ? [] : laid.areas);
}

function throwsClosed(...accesses: (() => unknown)[]): void {
  for (const access of accesses) assert.throws(access, { code: "ERR_CLOSED" });
}

function throwsTypeError(...accesses: (() => unknown)[]): void {
  for (const access of accesses) assert.throws(access, TypeError);
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
    assert.equal(memory.detach(), true);
    return "gone";
  },
  buffer() {
    const view = memory.view(0, SIZE);
    close();
    assert.equal(view.byteLength, 0);
    throwsTypeError(
      () => view.slice(0),
      () => new Uint8Array(view),
      () => ArrayBuffer.prototype.transfer.call(view),
    );
    return "gone";
  },
  "typed array"() {
    const words = new Uint32Array(memory.view(0, SIZE));
    assert.equal(words[0], 0x5555_5555);
    close();
    words[0] = 1;
    assert.equal(words[0], undefined);
    assert.equal(words.length, 0);
    return "gone";
  },
  DataView() {
    const view = new DataView(memory.view(0, SIZE));
    close();
    throwsTypeError(
      () => view.getUint32(0),
      () => view.setUint32(0, 1),
      () => view.byteLength,
    );
    return "gone";
  },
  Atomics() {
    const words = new Int32Array(memory.view(0, SIZE));
    close();
    throwsTypeError(
      () => Atomics.load(words, 0),
      () => Atomics.store(words, 0, 1),
      () => Atomics.add(words, 0, 1),
    );
    return "gone";
  },
  bulk() {
    const bytes = new Uint8Array(memory.view(0, SIZE));
    close();
    throwsTypeError(
      () => bytes.fill(1),
      () => bytes.slice(),
      () => bytes.copyWithin(0, 1),
    );
    assert.throws(() => bytes.set([1]));
    assert.throws(() => new Uint8Array(SIZE).set(bytes), TypeError);
    return "gone";
  },
  iterator() {
    const iterator = new Uint8Array(memory.view(0, SIZE)).values();
    iterator.next();
    close();
    throwsTypeError(() => iterator.next());
    return "gone";
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
  transfer() {
    const view = memory.view(0, SIZE);
    return useCarried(ArrayBuffer.prototype.transfer.call(view));
  },
  "transfer and drop"() {
    const carry = (): ArrayBuffer => ArrayBuffer.prototype.transfer.call(memory.view(0, SIZE));
    const carried = carry();
    globalThis.gc?.();
    return useCarried(carried);
  },
  /** Byte streams transfer what is put into them. */
  async "byte stream"() {
    const bytes = new Uint8Array(memory.view(0, SIZE));
    const stream = new ReadableStream({ type: "bytes", start: (controller) => controller.enqueue(bytes) });
    const { value } = await stream.getReader().read();
    assert.ok(value instanceof Uint8Array && bytes.length === 0);
    assert.equal(value[0], 0x55);
    const { buffer } = value;
    assert.ok(buffer instanceof ArrayBuffer);
    return useCarried(buffer);
  },
  async "many views"() {
    const used = async (): Promise<number> => {
      for (let batch = 0; batch < 20; batch += 1) {
        for (let each = 0; each < 1000; each += 1) memory.view(0, 64);
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
    return "bounded";
  },
};

function useCarried(carried: ArrayBuffer): string {
  const bytes = new Uint8Array(carried);
  assert.equal(bytes[0], 0x55);
  close();
  // No more the device's memory, but memory.
  assert.equal(bytes[0], 0);
  bytes.fill(1);
  const inFile = new Uint8Array(4);
  linux.pread(fd, inFile, 0);
  assert.deepEqual([...inFile], [0x55, 0x55, 0x55, 0x55]);
  return "harmless";
}

const scenario = scenarios[process.argv[2] ?? ""];
assert.ok(scenario !== undefined, "no such scenario");
process.stdout.write(`${await scenario()}\n`);
