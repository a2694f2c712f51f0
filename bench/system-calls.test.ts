import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { qemuSequence } from "./qemu-sequence.ts";
import { countCalls } from "./rows/map-region.ts";

describe("qemuSequence", () => {
  it("is QEMU's for one area over all of the region", () => {
    const calls = qemuSequence(0x2000, [{ offset: 0, size: 0x2000 }]);
    assert.equal(calls.join(" "), "mmap munmap munmap munmap mmap munmap");
  });

  it("is QEMU's for two areas and a gap behind them", () => {
    const areas = [
      { offset: 0x1000, size: 0x1000 },
      { offset: 0x4000, size: 0x1000 },
    ];
    const laid = "mmap munmap munmap munmap mmap munmap mmap munmap";
    assert.equal(qemuSequence(0x8000, areas).join(" "), `${laid} munmap munmap`);
  });
});

describe("the system calls of mapping and unmapping a region of 256 GiB", () => {
  for (const areaCount of [1, 2, 1000]) {
    it(`are never more than QEMU's, with areas: ${areaCount}`, () => {
      const { hugebar, peer } = countCalls(areaCount);
      assert.ok(hugebar <= peer, `${hugebar} calls, QEMU makes ${peer}`);
      // No area without its own mmap and munmap, so a lower count would be one that missed some.
      assert.ok(hugebar >= 2 * areaCount + 1, `${hugebar} calls`);
    });
  }
});
