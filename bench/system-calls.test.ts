import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GIB } from "../src/layout/sizes.ts";
import { createMemfd } from "../src/memory/memfd.ts";
import { linux } from "../src/system/libc.ts";
import { watchedSystem } from "../src/system/watched-system.fixture.ts";
import { mapBarely } from "./bare-calls.ts";
import { qemuSequence } from "./qemu-sequence.ts";
import { countCalls } from "./rows/map-region.ts";
import { evenAreas, REGION_SIZE } from "./shapes.ts";

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

    it(`are as many where they are made alone, with areas: ${areaCount}`, (t) => {
      const system = watchedSystem();
      const fd = createMemfd("bare", REGION_SIZE, linux);
      t.after(() => linux.close(fd));
      mapBarely(REGION_SIZE, evenAreas(REGION_SIZE, areaCount), GIB, fd, system);
      assert.equal(system.calls.length, countCalls(areaCount).hugebar);
    });
  }
});
