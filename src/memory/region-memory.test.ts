import assert from "node:assert/strict";
import { constants } from "node:os";
import { after, describe, it } from "node:test";
import fc from "fast-check";
import type { Area } from "../layout/areas.ts";
import { GIB } from "../layout/sizes.ts";
import * as c from "../system/constants.ts";
import { layRegion, type LaidArea, type LaidRegion } from "./lay-region.ts";
import { linux } from "../system/libc.ts";
import { SystemCallError, type System } from "../system/system.ts";
import { watchedSystem } from "../system/watched-system.fixture.ts";
import { createMemfd } from "./memfd.ts";
import { RegionMemory, type Elsewhere } from "./region-memory.ts";

const SIZE = 256 * GIB;
const fd = createMemfd("mapped-memory-test", SIZE, linux);
function lay(areas: readonly Area[] = [{ offset: 0, size: SIZE }]): LaidRegion {
  return layRegion(
    {
      region: "0 of a test",
      size: SIZE,
      areas,
      strategy: "region",
      gaps: "unmap",
      protection: c.PROT_READ | c.PROT_WRITE,
      fd,
      fdOffset: 0,
      physical: null,
    },
    linux,
  );
}
const laid = lay();
after(() => {
  laid.release();
  linux.close(fd);
});

/** Serves nothing, and says so. */
class Refused extends Error {}
const refuse = (): never => {
  throw new Refused();
};
const nowhere: Elsewhere = { read: refuse, write: refuse, readWord: refuse, writeWord: refuse };

function open(size = SIZE, parts: Partial<ConstructorParameters<typeof RegionMemory>[0]> = {}): RegionMemory {
  return new RegionMemory({
    areas: laid.areas,
    size,
    target: "region 0 of a test",
    readable: true,
    writable: true,
    elsewhere: nowhere,
    check: null,
    system: linux,
    ...parts,
  });
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

describe("RegionMemory", () => {
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
    memory.close();
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
    memory.close();
  });

  it("sends every access outside the area elsewhere, refuses those off its width, and allows all others", () => {
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
          if (!inside) assert.throws(() => access(offset), Refused);
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
    memory.close();
  });

  it("ends where the area ends", () => {
    for (const size of [linux.pageSize, linux.pageSize + 4, 256]) {
      const memory = open(size);
      memory.read32(size - 4);
      assert.throws(() => memory.read8(size), Refused);
      assert.throws(() => memory.read64(size - 4), Refused);
      memory.close();
    }
  });

  it("finds the area among many, with one access after the other in another", () => {
    const PAGE = linux.pageSize;
    const areas = Array.from({ length: 1000 }, (_, index) => {
      const offset = 3 * index * PAGE;
      return { offset, size: (1 + (index % 2)) * PAGE, address: laid.base + BigInt(offset) };
    });
    const memory = open(3000 * PAGE, { areas });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: (3000 * PAGE) / 4 - 1 }), fc.boolean(), (word, write) => {
        const offset = 4 * word;
        const [index, page] = [Math.floor(offset / (3 * PAGE)), Math.floor(offset / PAGE) % 3];
        const access = () => (write ? memory.write32(offset, offset) : memory.read32(offset));
        if (page > index % 2) assert.throws(access, Refused);
        else access();
        if (write && page <= index % 2) assert.equal(inFile(offset, 4).getUint32(0, true), offset);
      }),
      { numRuns: 2000 },
    );
    memory.close();
  });

  it("never touches memory in a way that the protection forbids", () => {
    const readOnly = open(SIZE, { writable: false });
    assert.equal(typeof readOnly.read32(0), "number");
    assert.throws(() => readOnly.write32(0, 1), Refused);
    assert.throws(() => readOnly.copyIn(0, new Uint8Array(1)), Refused);
    readOnly.close();
    const writeOnly = open(SIZE, { readable: false });
    writeOnly.write32(0, 1);
    assert.throws(() => writeOnly.read32(0), Refused);
    assert.throws(() => writeOnly.copyOut(0, new Uint8Array(1)), Refused);
    writeOnly.close();
    assert.throws(() => writeOnly.read32(0), { code: "ERR_CLOSED" });
  });

  it("looks before it touches many bytes", () => {
    const asked: unknown[] = [];
    const memory = open(SIZE, { areas: lay().areas, check: (...question) => asked.push(question) });
    memory.copyOut(8, new Uint8Array(4));
    memory.copyIn(16, new Uint8Array(2));
    memory.view(32, 1);
    assert.deepEqual(asked, [
      ["read", 8, 4],
      ["write", 16, 2],
      ["view", 32, 1],
    ]);
    memory.close();
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
    for (const at of [-1, SIZE - 999, NaN, 0.5, SIZE + 1, 2 ** 53]) {
      assert.throws(() => memory.copyOut(at, source), Refused);
      assert.throws(() => memory.copyIn(at, source), Refused);
    }
    memory.close();
  });
});

describe("RegionMemory: views", () => {
  const viewOf = (memory: RegionMemory, offset: number, length: number): Uint8Array => {
    const view = memory.view(offset, length);
    assert.ok(view !== null);
    return new Uint8Array(view);
  };

  it("shows the memory itself, of 256 GiB at once", () => {
    const memory = open(SIZE, { areas: lay().areas });
    const whole = viewOf(memory, 0, SIZE);
    const part = viewOf(memory, 2 ** 32 + 8, 8);
    memory.write64(2 ** 32 + 8, 0x0102n);
    assert.deepEqual([...part], [2, 1, 0, 0, 0, 0, 0, 0]);
    part[1] = 7;
    assert.equal(whole[2 ** 32 + 9], 7);
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
      assert.equal(memory.view(at, length), null);
    }
    memory.close();
    assert.deepEqual([part[0], whole[2 ** 32 + 8]], [0, 0]);
    part[0] = 1;
    assert.equal(inFile(2 ** 32 + 8, 1).getUint8(0), 2);
  });

  it("goes elsewhere while it is off, views to harmless memory, and all comes back", () => {
    const own = lay();
    let served = 0;
    const serve = (): DataView => {
      served += 1;
      return new DataView(new ArrayBuffer(8));
    };
    const elsewhere = { ...nowhere, readWord: serve };
    const memory = open(SIZE, { areas: own.areas, elsewhere });
    const view = viewOf(memory, 8192, 4);
    memory.write32(8192, 0x0505_0505);
    assert.equal(memory.on, true);
    const layAgain = (area: LaidArea): void => own.layAgain(area, true);
    memory.switchOff(layAgain);
    memory.switchOff(layAgain);
    assert.equal(memory.on, false);
    assert.deepEqual([memory.read32(8192), served], [0, 1]);
    assert.equal(memory.view(8192, 4), null);
    assert.throws(() => memory.copyOut(8192, new Uint8Array(4)), Refused);
    assert.deepEqual([...view], [0, 0, 0, 0]);
    view.fill(9);
    memory.switchOn(layAgain);
    assert.deepEqual([memory.read32(8192), served], [0x0505_0505, 1]);
    assert.deepEqual([...view], [5, 5, 5, 5]);
    memory.close();
    assert.deepEqual([...view], [0, 0, 0, 0]);
  });

  it("does not reach for memory that a value being coerced has switched off", () => {
    const memory = open();
    memory.write32(16, 1);
    const value = {
      valueOf() {
        memory.switchOff(() => assert.fail("nothing was in the way"));
        return 2;
      },
    };
    Reflect.apply(memory.write32.bind(memory), undefined, [16, value]);
    assert.equal(inFile(16, 4).getUint32(0, true), 1);
    memory.close();
  });

  it("stays on where a view may be in use and cannot be given harmless memory", () => {
    const own = lay();
    const system = watchedSystem(() => true);
    const refusing: System = {
      ...linux,
      mmap: (...call) => system.mmap(...call),
      memfd_create: () => linux.memfd_create("\0", 0),
    };
    const memory = open(SIZE, { areas: own.areas, system: refusing });
    const view = viewOf(memory, 16, 4);
    const layAgain = (area: LaidArea): void => own.layAgain(area, true);
    assert.throws(() => memory.switchOff(layAgain), {
      code: "ERR_SYSTEM",
      message: /a view of it may be in use/,
    });
    assert.equal(memory.on, true);
    memory.write32(16, 0x0404_0404);
    assert.deepEqual([...view], [4, 4, 4, 4]);
    memory.close();
  });

  it("brings back the areas that had harmless memory where another cannot be given it", () => {
    const own = lay([
      { offset: 0, size: GIB },
      { offset: 2 * GIB, size: GIB },
    ]);
    let covered = 0;
    const refusing: System = {
      ...linux,
      mmap(...call) {
        covered += 1;
        if (covered > 1) throw new SystemCallError("mmap", constants.errno.ENOMEM);
        return linux.mmap(...call);
      },
      memfd_create() {
        throw new SystemCallError("memfd_create", constants.errno.EMFILE);
      },
    };
    const served: number[] = [];
    const serve = (offset: number): DataView => {
      served.push(offset);
      return new DataView(new ArrayBuffer(8));
    };
    const elsewhere = { ...nowhere, readWord: serve };
    const memory = open(SIZE, { areas: own.areas, system: refusing, elsewhere });
    const views = [viewOf(memory, 64, 4), viewOf(memory, 2 * GIB + 64, 4)];
    memory.write32(64, 0x0303_0303);
    assert.throws(() => memory.switchOff((area) => own.layAgain(area, true)), { code: "ERR_SYSTEM" });
    assert.equal(memory.on, true);
    assert.equal(memory.read32(64), 0x0303_0303);
    assert.deepEqual([...(views[0] ?? [])], [3, 3, 3, 3]);
    // Where that fails too, what lies there must not be taken for the device's memory.
    covered = 0;
    const refuse = (): never => {
      throw new Refused();
    };
    assert.throws(() => memory.switchOff(refuse), Refused);
    assert.equal(memory.on, false);
    assert.deepEqual([memory.read32(64), served], [0, [64]]);
    memory.switchOn((area) => own.layAgain(area, true));
    assert.equal(memory.read32(64), 0x0303_0303);
    memory.close();
  });
});
