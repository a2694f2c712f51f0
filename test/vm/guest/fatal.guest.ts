/** A BAR that the kernel takes away while it is mapped: touching it would be a fatal signal. */

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { promisify } from "node:util";
import { deflate } from "node:zlib";

import { PCI_COMMAND, PCI_COMMAND_MASTER, PCI_COMMAND_MEMORY } from "../../../src/device/file/pci-regs.ts";
import { VFIO_PCI_CONFIG_REGION_INDEX } from "../../../src/device/transport/vfio-abi.ts";
import { HugebarError } from "../../../src/errors.ts";
import { FROM_HOST } from "../shared-memory.ts";
import { apis, openDevice } from "./open.ts";
import { bindTo } from "./pci.ts";

const e1000e = "0000:00:13.0";
/** Memory, which takes any access: registers on arm64 take none of a library's (zlib's) bytes. */
const memory = { bdf: "0000:00:11.0", bar: 2, size: 1 << 20 } as const;

before(() => {
  for (const bdf of [e1000e, memory.bdf]) bindTo(bdf);
});

for (const api of apis) {
  describe(`a device that turns fatal while mapped by ${api}`, () => {
    /** Reads of the device's file are refused meanwhile; what matters is that nothing ends this process. */
    const readOf = (read: () => number): number | null => {
      try {
        return read();
      } catch (error) {
        assert.ok(error instanceof HugebarError && error.code === "ERR_DEVICE", String(error));
        return null;
      }
    };

    it("falls back to its file as memory decoding ends, and comes back, views and jobs included", async (t) => {
      const device = openDevice(t, memory.bdf, api);
      const bar = device.region(memory.bar).map();
      const content = bar.read32(FROM_HOST.offset);
      assert.notEqual(content, 0);
      const view = new Uint32Array(bar.view(FROM_HOST.offset, 4096));
      assert.equal(view[0], content);
      // Reads all of it on another thread, all the while.
      const squeezed = promisify(deflate)(new Uint8Array(bar.view(0, memory.size)));
      const config = device.region(VFIO_PCI_CONFIG_REGION_INDEX);
      config.write(PCI_COMMAND, Uint8Array.of(PCI_COMMAND_MASTER, 0));
      assert.equal(bar.enabled, false);
      assert.equal(
        readOf(() => bar.read32(FROM_HOST.offset)),
        null,
      );
      assert.equal(view[0], 0);
      await squeezed;
      config.write(PCI_COMMAND, Uint8Array.of(PCI_COMMAND_MEMORY, 0));
      assert.equal(bar.enabled, true);
      assert.deepEqual([bar.read32(FROM_HOST.offset), view[0]], [content, content]);
    });

    it("falls back in D3hot, and comes back in D0", (t) => {
      const device = openDevice(t, e1000e, api);
      const bar = device.region(0).map();
      const status = bar.read32(8);
      const view = new Uint32Array(bar.view(0, 4096));
      device.config.setPowerState("D3hot");
      assert.equal(bar.enabled, false);
      readOf(() => bar.read32(8));
      assert.equal(view[2], 0);
      device.config.setPowerState("D0");
      const decodes = (device.config.command & PCI_COMMAND_MEMORY) !== 0;
      if (!decodes) device.config.write16(PCI_COMMAND, device.config.command | PCI_COMMAND_MEMORY);
      assert.equal(bar.enabled, true);
      assert.deepEqual([typeof bar.read32(8), typeof status, view[2]], ["number", "number", bar.read32(8)]);
    });
  });
}
