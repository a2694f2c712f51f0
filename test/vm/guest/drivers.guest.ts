/** The drivers of `examples/`, on QEMU's devices, through the public API alone. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { before, describe, it } from "node:test";

import { Edu } from "../../../examples/edu.ts";
import { Nvme } from "../../../examples/nvme.ts";
import { DISK_SIZE, diskBytes } from "../disk-image.ts";
import { apis } from "./open.ts";
import { bindTo } from "./pci.ts";

const nvme = "0000:00:12.0";
const edu = "0000:00:14.0";
const READS = 10_000;
const PAGE = 4096;

/** Files and mappings of VFIO's that this process has. */
function held(): string[] {
  const files = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return "";
    }
  });
  return [...files, ...readFileSync("/proc/self/maps", "utf8").split("\n")].filter((text) =>
    /vfio|iommu/.test(text),
  );
}

before(() => {
  for (const bdf of [nvme, edu]) bindTo(bdf);
});

for (const api of apis) {
  describe(`examples/edu.ts by ${api}`, () => {
    it("reads registers, takes interrupts, and moves bytes both ways by DMA", async (t) => {
      const device = new Edu(edu, { api });
      t.after(() => device.close());
      assert.equal(device.complement(0x1234_5678), 0xedcb_a987);
      for (const [value, product] of [
        [5, 120],
        [12, 479_001_600],
      ] as const) {
        assert.equal(await device.factorial(value), product);
      }
      for (const length of [1, 100, PAGE]) {
        const bytes = Uint8Array.from({ length }, (_, index) => (index * 7 + length) & 0xff);
        assert.deepEqual(await device.roundTrip(bytes), bytes);
      }
      device.close();
      assert.deepEqual(held(), []);
    });
  });

  describe(`examples/nvme.ts by ${api}`, () => {
    it("reads the bytes of the host's image, at depth 1 and 32", async (t) => {
      const disk = await Nvme.open(nvme, { api });
      t.after(() => disk.close());
      assert.equal(disk.size, DISK_SIZE);
      assert.match(disk.model, /NVMe/);
      // All over the disk, each page more than once.
      const offsets = Array.from(
        { length: READS },
        (_, index) => ((index * 769) % (DISK_SIZE / PAGE)) * PAGE,
      );
      for (const depth of [1, 32]) {
        let compared = 0;
        const start = performance.now();
        await disk.read(offsets, depth, (offset, page) => {
          assert.ok(Buffer.compare(page, diskBytes(offset, PAGE)) === 0, `at ${offset}`);
          compared += 1;
        });
        const seconds = (performance.now() - start) / 1000;
        assert.equal(compared, READS);
        t.diagnostic(`depth ${depth}: ${Math.round(READS / seconds)} reads a second, compared`);
      }
      disk.close();
      assert.deepEqual(held(), []);
    });
  });
}
