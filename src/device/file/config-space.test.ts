import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decodeConfigSpace } from "./config-space.ts";

/** Configuration space as a QEMU `-device nvme` has it: MSI-X, PCI Express and power management, in this order. */
function nvmeConfigSpace(): Uint8Array {
  const bytes = new Uint8Array(256);
  const view = new DataView(bytes.buffer);
  view.setUint16(0x00, 0x1b36, true);
  view.setUint16(0x02, 0x0010, true);
  view.setUint16(0x04, 0x0507, true);
  view.setUint16(0x06, 0x0010, true);
  view.setUint32(0x08, 0x01_08_02_02, true);
  view.setUint16(0x2c, 0x1af4, true);
  view.setUint16(0x2e, 0x1100, true);
  view.setUint8(0x34, 0x40);
  bytes.set([0x11, 0x80, 0x40, 0x80, 0x00, 0x20, 0x00, 0x00, 0x00, 0x30, 0x00, 0x00], 0x40);
  bytes.set([0x10, 0x60], 0x80);
  bytes.set([0x01, 0x00], 0x60);
  return bytes;
}

describe("decodeConfigSpace", () => {
  it("reads a device's identity, command register and capabilities", () => {
    const config = decodeConfigSpace(nvmeConfigSpace(), "0000:00:04.0");
    assert.deepEqual(config, {
      vendor: 0x1b36,
      device: 0x0010,
      class: 0x010802,
      revision: 2,
      subsystem: { vendor: 0x1af4, device: 0x1100 },
      command: 0x0507,
      status: 0x0010,
      headerType: 0,
      capabilities: [
        { id: 0x11, offset: 0x40 },
        { id: 0x10, offset: 0x80 },
        { id: 0x01, offset: 0x60 },
      ],
      msix: {
        offset: 0x40,
        vectors: 65,
        enabled: true,
        maskedAll: false,
        table: { bar: 0, offset: 0x2000, size: 65 * 16 },
        pba: { bar: 0, offset: 0x3000, size: 16 },
      },
    });
  });

  it("has no capabilities where the status register says so", () => {
    const bytes = nvmeConfigSpace();
    bytes[6] = 0;
    const { capabilities, msix } = decodeConfigSpace(bytes, "0000:00:04.0");
    assert.deepEqual({ capabilities, msix }, { capabilities: [], msix: null });
  });

  it("has no subsystem for a bridge, multi-function bit or not", () => {
    const bytes = nvmeConfigSpace();
    bytes[0x0e] = 0x81;
    const { subsystem, headerType } = decodeConfigSpace(bytes, "0000:00:1c.0");
    assert.deepEqual({ subsystem, headerType }, { subsystem: null, headerType: 1 });
  });

  it("ends at a capability that points back at an earlier one", () => {
    const bytes = nvmeConfigSpace();
    bytes[0x61] = 0x40;
    assert.equal(decodeConfigSpace(bytes, "0000:00:04.0").capabilities.length, 3);
  });

  it("ends where the 64 bytes that an ordinary user sees end", () => {
    const config = decodeConfigSpace(nvmeConfigSpace().subarray(0, 64), "0000:00:04.0");
    assert.equal(config.vendor, 0x1b36);
    assert.deepEqual(config.capabilities, []);
  });

  it("refuses a header cut short, and a device that does not answer", () => {
    assert.throws(() => decodeConfigSpace(new Uint8Array(63), "0000:00:04.0"), {
      code: "ERR_PROTOCOL",
      message: "Cannot read the configuration space of 0000:00:04.0: its header has 64 bytes, only 63 came",
    });
    assert.throws(() => decodeConfigSpace(new Uint8Array(256).fill(0xff), "0000:00:04.0"), {
      code: "ERR_PROTOCOL",
      message:
        "Cannot read the configuration space of 0000:00:04.0: the device does not answer; was it removed?",
    });
  });

  it("ends for any bytes whatever, each capability inside them and seen once", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 256 }), (bytes) => {
        bytes[0] = 0x36;
        bytes[6] = 0x10;
        const { capabilities } = decodeConfigSpace(bytes, "0000:00:04.0");
        const offsets = capabilities.map(({ offset }) => offset);
        assert.equal(new Set(offsets).size, offsets.length);
        for (const offset of offsets)
          assert.ok(offset >= 64 && offset + 2 <= bytes.length && offset % 4 === 0);
      }),
    );
  });
});
