import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { GIB } from "../layout/sizes.ts";
import * as c from "../system/constants.ts";
import { layRegion } from "./lay-region.ts";
import { linux } from "../system/libc.ts";
import { MappedMemory } from "./mapped-memory.ts";
import { createMemfd } from "./memfd.ts";

const SIZE = 256 * GIB;
const fd = createMemfd("mapped-memory-test", SIZE, linux);
const laid = layRegion(
  {
    region: "0 of a test",
    size: SIZE,
    areas: [{ offset: 0, size: SIZE }],
    strategy: "region",
    gaps: "unmap",
    protection: c.PROT_READ | c.PROT_WRITE,
    fd,
    fdOffset: 0,
    physical: null,
  },
  linux,
);
after(() => {
  laid.release();
  linux.close(fd);
});

function open(size = SIZE): MappedMemory {
  return new MappedMemory(laid.base, size, "region 0 of a test", linux);
}

/** What stands in the file, read past the mapping. */
function inFile(offset: number, length: number): DataView {
  const bytes = new Uint8Array(length);
  linux.pread(fd, bytes, offset);
  return new DataView(bytes.buffer);
}

/** Offsets around the places where something changes: the start, 2 GiB and its multiples, 4 GiB, the end. */
const offsets = fc
  .tuple(fc.constantFrom(0, 2 ** 31, 2 ** 32, 100 * GIB, SIZE), fc.integer({ min: -64, max: 64 }))
  .map(([edge, distance]) => edge + distance);

describe("MappedMemory", () => {
  it("reads what it wrote and what the file has, little-endian, at every width", () => {
    const memory = open();
    fc.assert(
      fc.property(offsets, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (near, value) => {
        const at = Math.min(Math.max(0, Math.floor(near / 8) * 8), SIZE - 8);
        memory.write64(at, value);
        assert.equal(inFile(at, 8).getBigUint64(0, true), value);
        assert.equal(memory.read64(at), value);
        assert.equal(memory.read32(at + 4), Number(value >> 32n));
        assert.equal(memory.read16(at + 2), Number((value >> 16n) & 0xffffn));
        assert.equal(memory.read8(at + 7), Number(value >> 56n));
        memory.write32(at, 0x1234_5678);
        memory.write16(at + 4, 0x9abc);
        memory.write8(at + 7, 0xfe);
        const kept = (value >> 48n) & 0xffn;
        assert.equal(inFile(at, 8).getBigUint64(0, true), 0xfe00_9abc_1234_5678n | (kept << 48n));
      }),
    );
    memory.detach();
  });

  it("writes the low bits of a value", () => {
    const memory = open();
    memory.write32(0, 0);
    memory.write8(0, 0x1ff);
    memory.write16(2, -1);
    assert.equal(memory.read32(0), 0xffff_00ff);
    memory.write32(0, 2 ** 32 + 5);
    assert.equal(memory.read32(0), 5);
    memory.write64(0, -1n);
    assert.equal(memory.read64(0), 2n ** 64n - 1n);
    memory.detach();
  });

  it("refuses every access outside the area or off its width, and allows all others", () => {
    const memory = open();
    const accesses = [
      [1, (at: number) => memory.read8(at), (at: number) => memory.write8(at, 0)],
      [2, (at: number) => memory.read16(at), (at: number) => memory.write16(at, 0)],
      [4, (at: number) => memory.read32(at), (at: number) => memory.write32(at, 0)],
      [8, (at: number) => memory.read64(at), (at: number) => memory.write64(at, 0n)],
    ] as const;
    const wild = fc.oneof(
      offsets,
      offsets.map((offset) => offset + 0.5),
      fc.constantFrom(NaN, Infinity, -Infinity, -1, -8, 2 ** 53, -(2 ** 53), 1.5, 1e300, 5e-324, SIZE - 0.5),
    );
    fc.assert(
      fc.property(wild, fc.constantFrom(...accesses), (offset, [width, read, write]) => {
        const inside = Number.isInteger(offset) && offset >= 0 && offset + width <= SIZE;
        for (const access of [read, write]) {
          if (!inside) assert.throws(() => access(offset), { code: "ERR_ACCESS_RANGE" });
          else if (offset % width !== 0)
            assert.throws(() => access(offset), { code: "ERR_ACCESS_ALIGNMENT" });
          else access(offset);
        }
      }),
      { numRuns: 1000 },
    );
    assert.throws(() => memory.read32(2), {
      message: "Cannot read 4 bytes at offset 2 of region 0 of a test: the offset is no multiple of 4",
    });
    assert.throws(() => memory.write16(SIZE, 0), {
      message: `Cannot write 2 bytes at offset ${SIZE} of region 0 of a test: the area has ${SIZE} bytes`,
    });
    memory.detach();
  });

  it("ends where the area ends", () => {
    const memory = open(linux.pageSize);
    memory.read64(linux.pageSize - 8);
    assert.throws(() => memory.read8(linux.pageSize), { code: "ERR_ACCESS_RANGE" });
    memory.detach();
  });

  it("copies in and out, over the edge of 2 GiB too", () => {
    const memory = open();
    const source = Uint8Array.from({ length: 1000 }, (_, index) => index % 251);
    for (const at of [0, 3, 2 ** 31 - 500, 2 ** 32 - 1, SIZE - 1000]) {
      memory.copyIn(at, source);
      const target = new Uint8Array(1000);
      memory.copyOut(at, target);
      assert.deepEqual(target, source);
      assert.deepEqual(new Uint8Array(inFile(at, 1000).buffer), source);
    }
    memory.copyOut(SIZE, new Uint8Array(0));
    for (const at of [-1, SIZE - 999, NaN, 0.5, SIZE + 1, 2 ** 53]) {
      assert.throws(() => memory.copyOut(at, source), { code: "ERR_ACCESS_RANGE" });
      assert.throws(() => memory.copyIn(at, source), { code: "ERR_ACCESS_RANGE" });
    }
    memory.detach();
  });
});

describe("MappedMemory: views", () => {
  it("shows the memory itself, of 256 GiB at once", () => {
    const memory = open();
    const whole = memory.view(0, SIZE);
    const part = memory.view(2 ** 32 + 8, 8);
    memory.write64(2 ** 32 + 8, 0x0102n);
    assert.deepEqual([...new Uint8Array(part)], [2, 1, 0, 0, 0, 0, 0, 0]);
    new Uint8Array(part)[1] = 7;
    assert.equal(new Uint8Array(whole)[2 ** 32 + 9], 7);
    assert.equal(memory.read8(2 ** 32 + 9), 7);
    for (const [at, length] of [
      [-1, 1],
      [0, SIZE + 1],
      [SIZE, 1],
      [0.5, 1],
      [0, -1],
      [0, 1.5],
      [NaN, 1],
    ] as const) {
      assert.throws(() => memory.view(at, length), { code: "ERR_ACCESS_RANGE" });
    }
    assert.equal(memory.view(SIZE, 0).byteLength, 0);
    assert.equal(memory.detach(), true);
  });

  it("detaches views at the end, or when told, and goes on", () => {
    const memory = open();
    const views = Array.from({ length: 3000 }, (_, index) => memory.view(8 * index, 8));
    memory.detachViews();
    assert.ok(views.every((view) => view.detached && view.byteLength === 0));
    assert.equal(typeof memory.read8(0), "number");
    const later = memory.view(0, 8);
    assert.equal(memory.detach(), true);
    assert.equal(later.detached, true);
  });

  it("cannot be transferred, resized or moved to another thread", () => {
    const memory = open();
    const view = memory.view(0, 4096);
    const { port1 } = new MessageChannel();
    for (const carry of [
      () => view.transfer(),
      () => view.transfer(10),
      () => view.transferToFixedLength(),
      () => structuredClone(view, { transfer: [view] }),
      () => port1.postMessage(view, [view]),
      () => view.resize(0),
    ]) {
      assert.throws(carry);
      assert.equal(view.byteLength, 4096);
    }
    port1.close();
    assert.throws(() => view.transfer(), {
      code: "ERR_NOT_SUPPORTED",
      message: "Cannot transfer a view of device memory: it belongs to its mapping; copy it with slice()",
    });
    assert.equal(structuredClone(view).byteLength, 4096);
    assert.deepEqual(view.slice(0, 8), new Uint8Array(inFile(0, 8).buffer).buffer);
    assert.equal(memory.detach(), true);
  });

  it("says that memory is still reachable where a view was carried off by force", () => {
    for (const dropped of [false, true]) {
      const memory = open();
      const carry = (): ArrayBuffer => ArrayBuffer.prototype.transfer.call(memory.view(0, 4096));
      const carried = carry();
      if (!dropped) memory.detachViews();
      assert.equal(memory.detach(), false);
      linux.detach(carried);
    }
  });
});

/** Each runs in a process of its own, since what fails here ends the process by a signal. */
describe("MappedMemory: after close", () => {
  const fixture = fileURLToPath(import.meta.resolve("./closed-memory.fixture.ts"));
  const run = (scenario: string): string =>
    execFileSync(process.execPath, ["--expose-gc", fixture, scenario], { encoding: "utf8", timeout: 60_000 });

  for (const scenario of [
    "methods",
    "buffer",
    "typed array",
    "DataView",
    "Atomics",
    "bulk",
    "iterator",
    "coercion",
  ]) {
    it(`throws or does nothing: ${scenario}`, () => assert.equal(run(scenario), "gone\n"));
  }
  for (const scenario of ["transfer", "transfer and drop", "byte stream"]) {
    it(`leaves harmless memory to what was carried off: ${scenario}`, () =>
      assert.equal(run(scenario), "harmless\n"));
  }
  it("does not grow as views are made and dropped", () => assert.equal(run("many views"), "bounded\n"));
});
