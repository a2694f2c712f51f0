import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import type { ErrorCode } from "../../errors.ts";
import { linux } from "../../system/libc.ts";
import { openDescriptors } from "../../system/descriptors.fixture.ts";
import type { System } from "../../system/system.ts";
import { Device } from "../device.ts";
import { memfdTransport, type MemfdRegion } from "../memfd-transport.fixture.ts";
import type { MapOptions, Region } from "./region.ts";
import type { Transport } from "../transport/transport.ts";

const PAGE = linux.pageSize;

/** Listed out of order, with a gap between and one at the end. */
const twoAreas: MemfdRegion = {
  size: 8 * PAGE,
  areas: [
    { offset: 4 * PAGE, size: 2 * PAGE },
    { offset: 0, size: 2 * PAGE },
  ],
};

const open: Device[] = [];

/** Region 0 of a device whose transport does some things in another way. */
function regionOf(
  region: MemfdRegion,
  otherwise: Partial<Transport> = {},
  system: System = linux,
): { region: Region; device: Device; requests: readonly string[] } {
  const transport = memfdTransport([region]);
  const device = new Device({ ...transport, ...otherwise }, system);
  open.push(device);
  return { region: device.region(0), device, requests: transport.requests };
}

function throwsCode(code: ErrorCode, message: RegExp, action: () => unknown): void {
  assert.throws(action, { code, message });
}

describe("Region", () => {
  afterEach(() => {
    for (const device of open.splice(0)) device.close();
  });

  it("says what the device tells of it, the areas as they were listed", () => {
    const { region } = regionOf({ ...twoAreas, writable: false, physical: 0x40_0000n });
    const { index, size, fdOffset, areas, physical, driver, backing, deviceName, name } = region;
    assert.deepEqual(
      { index, size, fdOffset, areas, physical, driver, backing, deviceName, name },
      {
        index: 0,
        size: 8 * PAGE,
        fdOffset: 0,
        areas: twoAreas.areas,
        physical: 0x40_0000n,
        driver: null,
        backing: "shared-memory",
        deviceName: "memfd:fixture",
        name: "0 of memfd:fixture",
      },
    );
    assert.deepEqual([region.readable, region.writable], [true, false]);
  });

  it("reads and writes by one request each, areas and gaps alike, and nothing for no bytes", () => {
    const { region, requests } = regionOf(twoAreas);
    region.write(PAGE - 2, Uint8Array.of(1, 2, 3, 4));
    region.write(7 * PAGE, Uint8Array.of(5));
    const bytes = new Uint8Array(4);
    region.read(PAGE - 2, bytes);
    assert.deepEqual([...bytes], [1, 2, 3, 4]);
    region.read(8 * PAGE, new Uint8Array(0));
    region.write(8 * PAGE, new Uint8Array(0));
    const [at, gap] = [(PAGE - 2).toString(16), (7 * PAGE).toString(16)];
    assert.deepEqual(requests, [`write 0x${at}+4`, `write 0x${gap}+1`, `read 0x${at}+4`]);
  });

  it("asks the device for nothing that lies outside or that it does not allow", () => {
    const { region, requests } = regionOf({ ...twoAreas, writable: false });
    for (const offset of [8 * PAGE, 8 * PAGE - 1, -1, 0.5, NaN, 2 ** 53]) {
      throwsCode("ERR_ACCESS_RANGE", /the region has \d+ bytes/, () =>
        region.read(offset, new Uint8Array(2)),
      );
    }
    throwsCode("ERR_ACCESS_DENIED", /does not allow to write/, () => region.write(0, new Uint8Array(2)));
    assert.deepEqual(requests, []);
  });

  it("maps what was asked for, each mapping for itself", () => {
    const { region } = regionOf(twoAreas);
    const offsets = (options: MapOptions): number[][] =>
      region.map(options).areas.map(({ offset, size }) => [offset / PAGE, size / PAGE]);
    assert.deepEqual(offsets({}), [
      [0, 2],
      [4, 2],
    ]);
    assert.deepEqual(offsets({ areas: [{ offset: 5 * PAGE, size: PAGE }] }), [[5, 1]]);
    assert.deepEqual(offsets({ areas: [] }), []);
    assert.deepEqual(offsets({ map: false, areas: [{ offset: 0, size: PAGE }] }), []);
    const [one, other] = [region.map(), region.map()];
    assert.notEqual(one.base, other.base);
    one.write32(0, 0x1234);
    one.close();
    assert.equal(other.read32(0), 0x1234);
  });

  it("refuses parts that are no areas, or that the device does not allow to map", () => {
    const { region } = regionOf(twoAreas);
    const map = (areas: MapOptions["areas"]) => () => region.map(areas === undefined ? {} : { areas });
    throwsCode("ERR_REGION_LAYOUT", /lies in no area/, map([{ offset: PAGE, size: 2 * PAGE }]));
    throwsCode("ERR_REGION_LAYOUT", /./, map([{ offset: 1, size: PAGE }]));
    throwsCode("ERR_ARGUMENT", /the size of an area/, map([{ offset: 0, size: -PAGE }]));
    const twice = { offset: 0, size: PAGE };
    throwsCode("ERR_REGION_LAYOUT", /./, map([twice, twice]));
  });

  it("needs a file to map from where the device lists areas", () => {
    const transport = memfdTransport([twoAreas]);
    const { region } = regionOf(twoAreas, {
      regionInfo: (index) => ({ ...transport.regionInfo(index), fd: null }),
    });
    transport.close();
    throwsCode("ERR_REGION_MAP", /gave no file to map them from/, () => region.map());
    assert.equal(region.map({ map: false }).areas.length, 0);
  });

  it("exports one dma-buf for each area, in order", () => {
    const { region } = regionOf(twoAreas, {
      exportDmaBuf: (index, area) => 1000 * index + area.offset / PAGE,
    });
    assert.deepEqual(region.exportDmaBuf(), [
      { area: { offset: 0, size: 2 * PAGE }, fd: 0 },
      { area: { offset: 4 * PAGE, size: 2 * PAGE }, fd: 4 },
    ]);
  });

  it("closes the dma-bufs it has when the next one fails", () => {
    const before = openDescriptors().length;
    const failure = new Error("no more");
    const { region, device } = regionOf(twoAreas, {
      exportDmaBuf(_, { offset }) {
        if (offset > 0) throw failure;
        return linux.memfd_create("exported", 0);
      },
    });
    assert.throws(() => region.exportDmaBuf(), failure);
    device.close();
    assert.equal(openDescriptors().length, before);
  });

  it("does nothing after its device is closed", () => {
    const { region, device, requests } = regionOf(twoAreas);
    device.close();
    for (const use of [
      () => region.read(0, new Uint8Array(1)),
      () => region.write(0, new Uint8Array(1)),
      () => region.map(),
      () => region.exportDmaBuf(),
      () => region.ioeventfds,
    ]) {
      throwsCode("ERR_CLOSED", /region 0 of memfd:fixture/, use);
    }
    assert.deepEqual(requests, []);
  });
});
