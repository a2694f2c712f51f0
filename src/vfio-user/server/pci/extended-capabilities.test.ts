import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { walkExtendedCapabilities } from "../../../device/file/config-space.ts";
import { idleClient } from "../parts/idle-client.fixture.ts";
import { MaskedBytes } from "../registers/masked-bytes.ts";
import { pciConfigSpace } from "./pci-config-space.ts";
import { defineExtendedCapabilities, type PciExtendedCapability } from "./extended-capabilities.ts";

const DVSEC = { id: 0x23, data: Uint8Array.of(0xde, 0x10, 0xc0, 0x00, 3, 0, 1, 0) };

function bytesOf(...capabilities: PciExtendedCapability[]): Uint8Array {
  const space = pciConfigSpace(
    { vendor: 1, device: 2, capabilities: [{ type: "pcie" }], extendedCapabilities: capabilities },
    [],
  );
  const bytes = new Uint8Array(space.size);
  void space.read(0, bytes, idleClient());
  return bytes;
}

describe("extended capabilities", () => {
  it("are found by our own reader, as the origin's driver looks for its DVSEC", () => {
    const bytes = bytesOf(DVSEC, { id: 3, version: 2, data: new Uint8Array(8), offset: 0x200 });
    assert.deepEqual(
      [...walkExtendedCapabilities(bytes)].map(({ id, offset }) => [id, offset]),
      [
        [0x23, 0x100],
        [3, 0x200],
      ],
    );
    const view = new DataView(bytes.buffer, 0x100);
    assert.equal(view.getUint32(0, true), 0x2001_0023);
    assert.equal(view.getUint16(4, true), 0x10de);
    assert.equal(view.getUint16(8, true), 3);
    assert.equal(view.getUint16(0xa, true) & 1, 1);
  });

  it("are led to where none stands at the first place, and laid into the room that is left", () => {
    const odd = { id: 5, data: new Uint8Array(3) };
    const bytes = bytesOf({ ...DVSEC, offset: 0x104 }, odd, { ...odd, id: 6, offset: 0x110 });
    assert.deepEqual(
      [...walkExtendedCapabilities(bytes)].map(({ id, offset }) => [id, offset]),
      [
        [0x23, 0x104],
        [6, 0x110],
        [5, 0x118],
      ],
    );
  });

  it("take writes where they say so, and their first values by a reset", () => {
    const config = new MaskedBytes(4096);
    defineExtendedCapabilities(config, [
      { id: 5, data: Uint8Array.of(1, 2), writable: Uint8Array.of(0, 0xf0) },
    ]);
    config.write(0x100, new Uint8Array(6).fill(0xff));
    assert.equal(config.get(0x100, 4), 0x0001_0005);
    assert.equal(config.get(0x104, 2), 0xf201);
    config.reset();
    assert.equal(config.get(0x104, 2), 0x0201);
  });

  it("are refused without room, over each other, and on a device of conventional PCI", () => {
    const refused = { code: "ERR_ARGUMENT" };
    assert.throws(() => bytesOf({ ...DVSEC, data: new Uint8Array(4000) }), refused);
    assert.throws(() => bytesOf({ ...DVSEC, offset: 0x100 }, { ...DVSEC, offset: 0x108 }), refused);
    assert.throws(() => bytesOf({ ...DVSEC, offset: 0x102 }), refused);
    assert.throws(() => bytesOf({ ...DVSEC, writable: new Uint8Array(1) }), refused);
    const conventional = { vendor: 1, device: 2, extendedCapabilities: [DVSEC] };
    assert.throws(() => pciConfigSpace(conventional, []), refused);
  });
});
