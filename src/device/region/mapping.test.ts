import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { HugebarError, type ErrorCode } from "../../errors.ts";
import { GIB, MIB } from "../../layout/sizes.ts";
import { linux } from "../../system/libc.ts";
import { Device } from "../device.ts";
import type { Mapping } from "./mapping.ts";
import { memfdTransport, type MemfdRegion, type MemfdTransport } from "../memfd-transport.fixture.ts";
import type { MapOptions } from "./region.ts";

const PAGE = linux.pageSize;

/** Two areas that touch, a gap of one page, a third area, and a gap to the end. */
const threeAreas: MemfdRegion = {
  size: 16 * PAGE,
  areas: [
    { offset: 4 * PAGE, size: 4 * PAGE },
    { offset: 0, size: 4 * PAGE },
    { offset: 9 * PAGE, size: 3 * PAGE },
  ],
};

const open: Device[] = [];

function mapRegion(
  region: MemfdRegion,
  options: MapOptions = {},
): { transport: MemfdTransport; device: Device; bar: Mapping } {
  const transport = memfdTransport([region]);
  const device = new Device(transport, linux);
  open.push(device);
  return { transport, device, bar: device.region(0).map(options) };
}

function throwsCode(code: ErrorCode, action: () => unknown): void {
  assert.throws(action, (error) => error instanceof HugebarError && error.code === code);
}

function vmasOf(bar: Mapping): string[] {
  const maps = readFileSync("/proc/self/maps", "utf8").split("\n");
  const end = bar.base + BigInt(bar.region.size);
  return maps.filter((line) => {
    const [start = "", stop = ""] = (line.split(" ")[0] ?? "").split("-");
    return BigInt(`0x${start || "0"}`) < end && BigInt(`0x${stop || "0"}`) > bar.base;
  });
}

/** What stands at an address of this process, as the kernel sees it. */
function wordAt(address: bigint): number {
  const memory = openSync("/proc/self/mem", "r");
  try {
    const word = Buffer.alloc(4);
    assert.equal(readSync(memory, word, 0, 4, address), 4);
    return word.readUInt32LE();
  } finally {
    closeSync(memory);
  }
}

describe("Mapping", () => {
  afterEach(() => {
    for (const device of open.splice(0)) device.close();
  });

  it("lays the GB200 shape at a multiple of 1 GiB, and nothing of the reservation is left", () => {
    const { bar } = mapRegion({ size: 0x40_0000_0000, areas: [{ offset: 0, size: 0x2f_00f0_0000 }] });
    assert.equal(bar.base % BigInt(GIB), 0n);
    assert.equal(bar.alignment, GIB);
    assert.deepEqual(bar.gaps, [{ offset: 0x2f_00f0_0000, size: 0x40_0000_0000 - 0x2f_00f0_0000 }]);
    const [vma, ...others] = vmasOf(bar);
    assert.match(
      vma ?? "",
      new RegExp(`^${bar.base.toString(16)}-${(bar.base + 0x2f_00f0_0000n).toString(16)} rw-s`),
    );
    assert.deepEqual(others, []);
    assert.deepEqual(bar.layout.leaves, [
      { size: GIB, count: 188 },
      { size: 2 * MIB, count: 7 },
      { size: 4096, count: 256 },
    ]);
    assert.equal(bar.layout.faults, 451);
  });

  it("places areas at their offsets, however the device listed them", () => {
    const { bar } = mapRegion(threeAreas);
    assert.deepEqual(
      bar.areas.map(({ offset, address }) => [offset, address - bar.base]),
      [0, 4, 9].map((page) => [page * PAGE, BigInt(page * PAGE)]),
    );
  });

  it("reads and writes every width, in areas and in gaps alike", () => {
    const { bar, transport } = mapRegion(threeAreas);
    for (const at of [0x10, 8 * PAGE + 0x10, 10 * PAGE]) {
      bar.write64(at, 0x8877_6655_4433_2211n);
      assert.equal(bar.read64(at), 0x8877_6655_4433_2211n);
      assert.equal(bar.read32(at + 4), 0x8877_6655);
      assert.equal(bar.read16(at + 6), 0x8877);
      assert.equal(bar.read8(at + 7), 0x88);
      bar.write32(at, 0xffff_fffe);
      bar.write16(at + 4, 0x1_2345);
      bar.write8(at + 6, 0x1ff);
      assert.equal(bar.read64(at), 0x88ff_2345_ffff_fffen);
    }
    assert(transport.requests.length > 0);
    assert(transport.requests.every((request) => request === "prepare 0" || request.includes(" 0x801")));
  });

  it("serves an access over the edge of an area whole, through the device's file", () => {
    const { bar, transport } = mapRegion(threeAreas);
    bar.write64(8 * PAGE - 4, 0x1122_3344_5566_7788n);
    assert.deepEqual(transport.requests.slice(1), ["write 0x7ffc+8"]);
    assert.equal(bar.read32(8 * PAGE - 4), 0x5566_7788, "the half in the area is seen through the mapping");
    const bytes = new Uint8Array(3 * PAGE);
    bar.copyOut(7 * PAGE, bytes);
    assert.equal(transport.requests.at(-1), `read 0x${(7 * PAGE).toString(16)}+${3 * PAGE}`);
    assert.deepEqual(
      [...bytes.subarray(PAGE - 4, PAGE + 4)],
      [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11],
    );
  });

  it("reads and writes a register in two halves, in areas by memory and in gaps by two requests in order", () => {
    const { bar, transport } = mapRegion(threeAreas);
    const value = 0xfedc_ba98_7654_3210n;
    for (const at of [0x10, 8 * PAGE - 8, 9 * PAGE]) {
      bar.writeLoHi64(at, value);
      assert.deepEqual([bar.readLoHi64(at), bar.read64(at)], [value, value]);
      bar.writeHiLo64(at, ~value & (2n ** 64n - 1n));
      assert.deepEqual([bar.read32(at), bar.read32(at + 4)], [0x89ab_cdef, 0x0123_4567]);
    }
    assert.deepEqual(transport.requests, ["prepare 0"]);
    const gap = 8 * PAGE + 0x10;
    const low = `0x${gap.toString(16)}+4`;
    const high = `0x${(gap + 4).toString(16)}+4`;
    bar.writeLoHi64(gap, value);
    bar.writeHiLo64(gap, value);
    assert.equal(bar.readLoHi64(gap), value);
    const [, ...halves] = transport.requests;
    const writes = [`write ${low}`, `write ${high}`, `write ${high}`, `write ${low}`];
    assert.deepEqual(halves, [...writes, `read ${low}`, `read ${high}`]);
  });

  it("keeps the order of the halves where one lies in an area and the other in a gap", () => {
    const at = 8 * PAGE - 4;
    const transport = memfdTransport([threeAreas]);
    const seen: number[] = [];
    const inMemory = (): void => void seen.push(bar.read32(at));
    const device = new Device(
      {
        ...transport,
        write: (...request) => {
          inMemory();
          transport.write(...request);
        },
        read: (...request) => {
          // What changes in between is torn: the low half was read before.
          bar.write32(at, 0x77);
          transport.read(...request);
        },
      },
      linux,
    );
    open.push(device);
    const bar = device.region(0).map();
    bar.writeLoHi64(at, 0x2_0000_0001n);
    assert.deepEqual(seen, [1], "the low half is there when the high one is written");
    bar.writeHiLo64(at, 0x4_0000_0003n);
    assert.deepEqual(seen, [1, 1], "the low half is still the old one when the high one is written");
    assert.equal(bar.readLoHi64(at), 0x4_0000_0003n);
    assert.equal(bar.read32(at), 0x77);
  });

  it("tells the address of what one area holds, and of nothing else", () => {
    for (const strategy of ["region", "area", "none"] as const) {
      const { bar } = mapRegion(threeAreas, { strategy });
      for (const { offset, size, address } of bar.areas) {
        assert.equal(bar.address(offset), address);
        assert.equal(bar.address(offset, size), address);
        assert.equal(bar.address(offset + size - 1), address + BigInt(size - 1));
        throwsCode("ERR_ACCESS_RANGE", () => bar.address(offset, size + 1));
        bar.write32(offset + 0x20, 0x6000_0000 + offset);
        assert.equal(wordAt(bar.address(offset + 0x20, 4)), 0x6000_0000 + offset);
      }
      for (const offset of [8 * PAGE, 12 * PAGE, 16 * PAGE, -1]) {
        throwsCode("ERR_ACCESS_RANGE", () => bar.address(offset));
      }
      const before = bar.address(0);
      bar.setEnabled(false);
      assert.throws(() => bar.address(0), {
        code: "ERR_ACCESS_RANGE",
        message: /the mapping is switched off$/,
      });
      bar.setEnabled(true);
      assert.equal(bar.address(0), before);
      bar.close();
      throwsCode("ERR_CLOSED", () => bar.address(0));
    }
  });

  it("copies and views memory without a request", () => {
    const { bar, transport } = mapRegion(threeAreas);
    bar.copyIn(PAGE, Uint8Array.of(1, 2, 3));
    const view = new Uint8Array(bar.view(PAGE, 4));
    assert.deepEqual([...view], [1, 2, 3, 0]);
    view[3] = 9;
    assert.equal(bar.read32(PAGE), 0x0903_0201);
    assert.deepEqual(transport.requests, ["prepare 0"]);
  });

  it("refuses what lies outside, is not aligned, or is no offset", () => {
    const { bar } = mapRegion(threeAreas);
    throwsCode("ERR_ACCESS_RANGE", () => bar.read32(16 * PAGE));
    throwsCode("ERR_ACCESS_RANGE", () => bar.read32(16 * PAGE - 2));
    throwsCode("ERR_ACCESS_RANGE", () => bar.read8(-1));
    throwsCode("ERR_ACCESS_RANGE", () => bar.read8(NaN));
    throwsCode("ERR_ACCESS_RANGE", () => bar.write64(Infinity, 0n));
    throwsCode("ERR_ACCESS_ALIGNMENT", () => bar.read32(2));
    throwsCode("ERR_ACCESS_RANGE", () => bar.view(7 * PAGE, 2 * PAGE));
    throwsCode("ERR_ACCESS_RANGE", () => bar.view(8 * PAGE, 1));
    throwsCode("ERR_ACCESS_RANGE", () => bar.copyOut(15 * PAGE, new Uint8Array(PAGE + 1)));
    bar.read8(0);
    assert.throws(() => bar.read16(0.5), HugebarError);
    assert.throws(() => bar.read8(0.5), HugebarError);
  });

  it("never touches memory in a way that the region forbids: it would be a fatal signal", () => {
    const readOnly = mapRegion({ size: 2 * PAGE, writable: false }).bar;
    assert.equal(readOnly.read32(0), 0);
    throwsCode("ERR_ACCESS_DENIED", () => readOnly.write32(0, 1));
    throwsCode("ERR_ACCESS_DENIED", () => readOnly.copyIn(0, new Uint8Array(1)));
    throwsCode("ERR_ACCESS_DENIED", () => readOnly.view(0, 8));
    const writeOnly = mapRegion({ size: 2 * PAGE, readable: false }).bar;
    throwsCode("ERR_ACCESS_DENIED", () => writeOnly.read32(0));
    throwsCode("ERR_NOT_SUPPORTED", () => writeOnly.verify());
  });

  it("goes through the file while it is switched off, and back", () => {
    const { bar, transport } = mapRegion(threeAreas);
    bar.write32(0, 7);
    const view = bar.view(0, 8);
    bar.setEnabled(false);
    assert.equal(bar.enabled, false);
    assert.equal(new Uint32Array(view)[0], 0);
    assert.equal(bar.read32(0), 7);
    assert.equal(transport.requests.at(-1), "read 0x0+4");
    throwsCode("ERR_ACCESS_RANGE", () => bar.view(0, 8));
    throwsCode("ERR_NOT_SUPPORTED", () => bar.verify());
    bar.setEnabled(true);
    const before = transport.requests.length;
    assert.equal(bar.read32(0), 7);
    assert.equal(new Uint32Array(bar.view(0, 8))[0], 7);
    assert.equal(new Uint32Array(view)[0], 7);
    assert.equal(transport.requests.length, before);
  });

  it("is all gap where nothing may be mapped, and every access works", () => {
    for (const { bar, transport } of [
      mapRegion({ size: 4 * PAGE, areas: [] }),
      mapRegion({ size: 4 * PAGE }, { map: false }),
      mapRegion({ size: 4 * PAGE }, { areas: [] }),
    ]) {
      bar.write32(12, 5);
      assert.equal(bar.read32(12), 5);
      assert.deepEqual(bar.areas, []);
      assert.deepEqual(bar.gaps, [{ offset: 0, size: 4 * PAGE }]);
      assert.deepEqual(bar.layout.leaves, []);
      assert.equal(bar.base, 0n);
      assert.deepEqual(transport.requests, ["write 0xc+4", "read 0xc+4"]);
    }
  });

  it("maps the page of a region that is smaller, and gives no more than the region", () => {
    for (const size of [256, PAGE + 4]) {
      const { bar, transport } = mapRegion({ size });
      bar.write32(size - 4, 0x1234);
      assert.equal(bar.read32(size - 4), 0x1234);
      assert.deepEqual(transport.requests, ["prepare 0"]);
      assert.equal(bar.areas[0]?.size, Math.ceil(size / PAGE) * PAGE);
      throwsCode("ERR_ACCESS_RANGE", () => bar.read32(size));
      throwsCode("ERR_ACCESS_RANGE", () => bar.view(0, size + 1));
    }
  });

  it("maps only the parts asked for, and only what the device allows", () => {
    const { bar, device } = mapRegion(threeAreas, { areas: [{ offset: PAGE, size: PAGE }] });
    assert.deepEqual(
      bar.areas.map(({ offset, size }) => [offset, size]),
      [[PAGE, PAGE]],
    );
    throwsCode("ERR_REGION_LAYOUT", () =>
      device.region(0).map({ areas: [{ offset: 7 * PAGE, size: 2 * PAGE }] }),
    );
  });

  it("gives nothing after close, by any way", () => {
    const { bar } = mapRegion(threeAreas);
    const words = new Int32Array(bar.view(0, 64));
    bar.write32(0, 5);
    bar.close();
    bar.close();
    assert.ok(vmasOf(bar).every((line) => !line.includes("memfd:")));
    assert.deepEqual([words[0], Atomics.load(words, 0)], [0, 0]);
    for (const use of [
      () => bar.read8(0),
      () => bar.read16(0),
      () => bar.read32(0),
      () => bar.read64(0),
      () => bar.write8(0, 0),
      () => bar.write16(0, 0),
      () => bar.write32(0, 0),
      () => bar.write64(0, 0n),
      () => bar.copyOut(0, new Uint8Array(1)),
      () => bar.copyIn(0, new Uint8Array(1)),
      () => bar.read32(8 * PAGE),
      () => bar.view(0, 1),
      () => bar.verify(),
      () => bar.setEnabled(false),
    ]) {
      throwsCode("ERR_CLOSED", use);
    }
  });
});
