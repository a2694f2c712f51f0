import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import fc from "fast-check";
import { linux } from "../../system/libc.ts";
import { walkExtendedCapabilities } from "./config-space.ts";
import { Device } from "../device.ts";
import { memfdTransport } from "../memfd-transport.fixture.ts";
import { PCI_CAP_ID_MSIX, PCI_CAP_ID_PM, PCI_COMMAND } from "./pci-regs.ts";
import { VFIO_DEVICE_FLAGS_PCI } from "../transport/vfio-abi.ts";

const opened: Device[] = [];
afterEach(() => {
  for (const device of opened.splice(0)) device.close();
});

/** A PCI Express device whose configuration space is memory: every bit of it can be written. */
function pciDevice(): Device {
  const absent = { size: 0 };
  const regions = [...Array.from({ length: 7 }, () => absent), { size: 4096, areas: [] }, absent];
  const transport = memfdTransport(regions);
  const device = new Device(
    { ...transport, info: () => ({ ...transport.info(), flags: VFIO_DEVICE_FLAGS_PCI }) },
    linux,
  );
  opened.push(device);
  const { config } = device;
  config.write32(0, 0x0010_1b36);
  config.write32(4, 0x0010_0002);
  config.write8(0x34, 0x40);
  config.write32(0x40, 0x0003_0001 | (0x50 << 8));
  config.write32(0x50, 0x0000_0011);
  config.write32(0x100, 0x1481_0001);
  config.write32(0x148, 0x0001_0003);
  return device;
}

describe("device.config", () => {
  it("is read and written by accesses of exactly their width", () => {
    const { config } = pciDevice();
    assert.equal(config.size, 4096);
    assert.deepEqual([config.read8(1), config.read16(2), config.read32(0)], [0x1b, 0x10, 0x10_1b36]);
    config.write16(0x80, 0xbeef);
    config.write8(0x82, 0x12);
    assert.equal(config.read32(0x80), 0x12_beef);
  });

  it("says what it is, its capabilities and its extended ones", () => {
    const { config } = pciDevice();
    assert.deepEqual([config.vendor, config.device, config.command], [0x1b36, 0x10, 2]);
    assert.deepEqual(
      config.capabilities.map(({ id }) => id),
      [PCI_CAP_ID_PM, PCI_CAP_ID_MSIX],
    );
    assert.deepEqual(config.extendedCapabilities, [
      { id: 1, version: 1, offset: 0x100 },
      { id: 3, version: 1, offset: 0x148 },
    ]);
  });

  it("refuses what lies outside, is not aligned, or does not fit", () => {
    const { config } = pciDevice();
    for (const offset of [4096, 4095, -1, NaN]) {
      assert.throws(() => config.read16(offset), { code: "ERR_ACCESS_RANGE" }, String(offset));
    }
    assert.throws(() => config.read32(2), { code: "ERR_ACCESS_ALIGNMENT" });
    assert.throws(() => config.write8(0, 256), { code: "ERR_ARGUMENT" });
    assert.throws(() => config.write16(0, -1), { code: "ERR_ARGUMENT" });
    // @ts-expect-error -- what a caller without types could give
    assert.throws(() => config.write32(0, 1n), { code: "ERR_ARGUMENT" });
  });

  it("switches bus mastering and nothing else, and says where a device does not take it", () => {
    const device = pciDevice();
    device.enableBusMaster();
    assert.equal(device.config.read16(PCI_COMMAND), 6);
    device.enableBusMaster();
    device.disableBusMaster();
    assert.equal(device.config.read16(PCI_COMMAND), 2);
    const stubborn = pciDevice();
    stubborn.region(7).file.write = () => {};
    assert.throws(() => stubborn.enableBusMaster(), {
      code: "ERR_NOT_SUPPORTED",
      message: /stays as it was$/,
    });
  });

  it("knows and sets the power state", () => {
    const { config } = pciDevice();
    assert.equal(config.powerState, "D0");
    config.write16(0x44, 0x8108);
    config.setPowerState("D3hot");
    assert.deepEqual([config.powerState, config.read16(0x44)], ["D3hot", 0x810b]);
    config.setPowerState("D0");
    assert.equal(config.powerState, "D0");
    // @ts-expect-error -- what a caller without types could give
    assert.throws(() => config.setPowerState("D4"), { code: "ERR_ARGUMENT" });
    config.write8(0x34, 0x50);
    assert.throws(() => config.setPowerState("D3hot"), { code: "ERR_NOT_SUPPORTED" });
    config.setPowerState("D0");
  });

  it("closes with the device", () => {
    const device = pciDevice();
    const { config } = device;
    device.close();
    assert.throws(() => config.read8(0), { code: "ERR_CLOSED" });
    assert.throws(() => config.vendor, { code: "ERR_CLOSED" });
  });
});

describe("walkExtendedCapabilities", () => {
  it("ends for every content, inside it, without repeating itself", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0x100, maxLength: 0x400 }), (bytes) => {
        const offsets = [...walkExtendedCapabilities(bytes)].map(({ offset }) => offset);
        assert.equal(new Set(offsets).size, offsets.length);
        assert.ok(offsets.every((offset) => offset >= 0x100 && offset + 4 <= bytes.length));
      }),
    );
  });
});
