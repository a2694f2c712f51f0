import assert from "node:assert/strict";
import { fstatSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { openDescriptors } from "../system/descriptors.fixture.ts";
import { F_GET_SEALS, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK } from "../system/constants.ts";
import { linux } from "../system/libc.ts";
import { SharedMemory } from "./shared-memory.ts";

describe("shared memory", () => {
  it("is sparse, and sealed against shrinking", () => {
    const memory = new SharedMemory(256 * 2 ** 30);
    memory.bytes(200 * 2 ** 30, 4).set([1, 2, 3, 4]);
    assert.deepEqual([...memory.bytes(200 * 2 ** 30, 4)], [1, 2, 3, 4]);
    const { size, blocks } = fstatSync(memory.fd);
    assert.equal(size, 256 * 2 ** 30);
    assert.ok(blocks * 512 <= 1 << 20, `${blocks} blocks`);
    assert.equal(linux.fcntl(memory.fd, F_GET_SEALS, 0), F_SEAL_SHRINK | F_SEAL_GROW);
    assert.ok(memory.share(false));
    assert.equal(linux.fcntl(memory.fd, F_GET_SEALS, 0), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW);
    assert.equal(memory.share(true), false, "it may be written already");
    assert.throws(() => linux.ftruncate(memory.fd, 0), { code: "EPERM" });
    memory.close();
  });

  it("leaves nothing behind", () => {
    const descriptors = openDescriptors();
    const memory = new SharedMemory(0x10000);
    memory.copyIn(0, Uint8Array.of(7));
    const byte = new Uint8Array(1);
    memory.copyOut(0, byte);
    assert.equal(byte[0], 7);
    memory.close();
    memory.close();
    assert.throws(() => memory.bytes(0, 1), { code: "ERR_CLOSED" });
    assert.throws(() => memory.copyOut(0, byte), { code: "ERR_CLOSED" });
    assert.deepEqual(openDescriptors(), descriptors);
    assert.ok(!readFileSync("/proc/self/maps", "utf8").includes("memfd:hugebar "));
  });

  it("leaves harmless memory to what still uses it, the file itself gone", () => {
    const descriptors = openDescriptors();
    const memory = new SharedMemory(0x10000);
    const bytes = memory.bytes(0, 16).fill(3);
    memory.close();
    assert.deepEqual([bytes[0], bytes.length], [0, 16]);
    assert.deepEqual(openDescriptors(), descriptors);
    assert.ok(!readFileSync("/proc/self/maps", "utf8").includes("memfd:hugebar "));
  });

  it("stays what it is while a device may reach it", () => {
    const memory = new SharedMemory(0x10000);
    const bytes = memory.bytes(0, 16).fill(3);
    const [first, second] = [memory.hold(), memory.hold()];
    memory.close();
    first();
    first();
    assert.equal(bytes[0], 3);
    second();
    assert.equal(bytes[0], 0);
  });

  it("cannot be carried off: its buffer is the object's for good", () => {
    const memory = new SharedMemory(0x1000);
    const { buffer } = memory.bytes(0, 4);
    assert.throws(() => buffer.transfer(), { code: "ERR_NOT_SUPPORTED" });
    assert.throws(() => structuredClone(buffer, { transfer: [buffer] }));
    memory.bytes(0, 4).set([1, 2, 3, 4]);
    assert.deepEqual([...memory.bytes(0, 4)], [1, 2, 3, 4]);
    memory.close();
  });

  it("refuses what lies outside, and sizes that are none", () => {
    const memory = new SharedMemory(0x1000);
    for (const [offset, length] of [
      [0, 0x1001],
      [0x1000, 1],
      [-1, 1],
      [0.5, 1],
      [0, -1],
      [Number.MAX_SAFE_INTEGER, 1],
    ] as const) {
      assert.throws(() => memory.bytes(offset, length), { code: "ERR_ACCESS_RANGE" });
    }
    assert.equal(memory.bytes(0x1000, 0).length, 0);
    memory.close();
    for (const size of [0, -1, 1.5, Number.NaN, 2 ** 53]) {
      assert.throws(() => new SharedMemory(size), { code: "ERR_ARGUMENT" });
    }
  });
});
