/** Exporting areas as dma-bufs: the kernel has it from 6.19 on. */

import assert from "node:assert/strict";
import { readlinkSync } from "node:fs";
import { before, describe, it } from "node:test";

import { linux } from "../../../src/system/libc.ts";
import { kernelFacts } from "./kernel.ts";
import { apis, openDevice } from "./open.ts";
import { bindTo } from "./pci.ts";

const bdf = "0000:00:10.0";
const bar = 2;

before(() => {
  bindTo(bdf);
});

for (const api of apis) {
  describe(`dma-bufs by ${api}`, () => {
    if (kernelFacts.dmaBufs) {
      it("are made one for each area", (t) => {
        const exported = openDevice(t, bdf, api).region(bar).exportDmaBuf();
        assert.deepEqual(
          exported.map(({ area }) => area),
          [{ offset: 0, size: 64 * 2 ** 30 }],
        );
        for (const { fd } of exported) {
          assert.match(readlinkSync(`/proc/self/fd/${fd}`), /dmabuf/);
          linux.close(fd);
        }
      });

      it("are not made of a region without areas", (t) => {
        assert.deepEqual(openDevice(t, bdf, api).region(1).exportDmaBuf(), []);
      });
    } else {
      it("are refused by a kernel that has none, and mapping goes on", (t) => {
        const region = openDevice(t, bdf, api).region(bar);
        assert.throws(() => region.exportDmaBuf(), {
          code: "ERR_NOT_SUPPORTED",
          exitCode: 1,
          message: `Cannot export region ${bar} of ${bdf} as a dma-buf: this kernel has no VFIO_DEVICE_FEATURE_DMA_BUF; Linux 6.19 and newer have it`,
        });
        const word = new Uint8Array(4);
        region.read(0, word);
        assert.equal(region.map().read32(0), new DataView(word.buffer).getUint32(0, true));
      });
    }
  });
}
