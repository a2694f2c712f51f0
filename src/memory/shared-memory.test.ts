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
    assert.equal(linux.fcntl(memory.fd, F_GET_SEALS, 0), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW);
    assert.throws(() => linux.ftruncate(memory.fd, 0), { code: "EPERM" });
    memory.close();
  });

  it("leaves nothing behind, and no view that reaches freed memory", () => {
    const descriptors = openDescriptors();
    const memory = new SharedMemory(0x10000);
    const view = memory.bytes(0, 16);
    memory.close();
    memory.close();
    assert.equal(view.length, 0);
    assert.throws(() => memory.bytes(0, 1), { code: "ERR_CLOSED" });
    assert.deepEqual(openDescriptors(), descriptors);
    assert.ok(!readFileSync("/proc/self/maps", "utf8").includes("memfd:hugebar "));
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
