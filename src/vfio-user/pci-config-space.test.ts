/** A served device's configuration space, as its client sees it. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeConfigSpace } from "../device/file/config-space.ts";
import { VFIO_PCI_CONFIG_REGION_INDEX } from "../device/transport/vfio-abi.ts";
import { BUFFER, MSIX_TABLE } from "./server/dma-device.fixture.ts";
import { drivenDevice } from "./driven-device.fixture.ts";

const device = drivenDevice();

describe("configuration space", () => {
  const CONFIG = VFIO_PCI_CONFIG_REGION_INDEX;

  function readWord(offset: number): number {
    const bytes = new Uint8Array(4);
    device.client.read(CONFIG, offset, bytes);
    return new DataView(bytes.buffer).getUint32(0, true);
  }

  function writeWord(offset: number, value: number): void {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    device.client.write(CONFIG, offset, bytes);
  }

  it("says what the author said, as our own reader of it sees", () => {
    const bytes = new Uint8Array(256);
    device.client.read(CONFIG, 0, bytes);
    const config = decodeConfigSpace(bytes, "it");
    assert.deepEqual(
      config.capabilities.map(({ id }) => id),
      [0x01, 0x10, 0x05, 0x11, 0x09],
    );
    assert.deepEqual(config.msix?.table, { bar: 0, offset: MSIX_TABLE, size: 128 });
    assert.equal(device.client.regionInfo(CONFIG).size, 4096);
    assert.equal(readWord(0), 0x5678_1234);
    assert.equal(readWord(8), 0x0880_0003);
  });

  it("sizes BARs, keeps read-only bits, and clears errors by a 1", () => {
    writeWord(0x10, 0xffff_ffff);
    writeWord(0x14, 0xffff_ffff);
    assert.equal(readWord(0x10), 0xffff_c004, "16 KiB, 64 bits, not prefetchable");
    assert.equal(readWord(0x14), 0xffff_ffff);
    writeWord(0x18, 0xffff_ffff);
    assert.equal(readWord(0x18), 0xc000_000c, "1 GiB, 64 bits, prefetchable");
    writeWord(0x18, 0x4000_0000);
    assert.equal(readWord(0x18), 0x4000_000c);
    writeWord(0, 0);
    assert.equal(readWord(0), 0x5678_1234);
    writeWord(4, 0xffff_ffff);
    assert.equal(readWord(4), 0x0010_0546, "command bits stay, status says: capabilities");
  });

  it("resets with the device, by request and by function-level reset", () => {
    for (const reset of [() => device.client.reset(), () => writeWord(0x48 + 8, 0x8000)]) {
      device.client.write(0, BUFFER, Uint8Array.of(7));
      writeWord(4, 0x402);
      device.client.write(0, MSIX_TABLE, Uint8Array.of(1, 2, 3, 4));
      reset();
      const byte = Uint8Array.of(1);
      device.client.read(0, BUFFER, byte);
      assert.equal(byte[0], 0);
      assert.equal(readWord(4) & 0xffff, 6, "enabled");
      const entry = new Uint8Array(16);
      device.client.read(0, MSIX_TABLE, entry);
      assert.deepEqual([...entry], [...Array<number>(12).fill(0), 1, 0, 0, 0], "vectors are masked");
      assert.equal(readWord(0x48 + 8) & 0x8000, 0);
    }
  });
});
