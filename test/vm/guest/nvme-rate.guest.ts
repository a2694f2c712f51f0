/**
 * How fast `examples/nvme.ts` reads, beside the kernel's own driver on the same disk: for `npm run bench:nvme`, in no test
 * of the host. Each side reads the same pages in this process; the kernel's through `O_DIRECT`, past its cache.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, constants, globSync, openSync, read, readSync } from "node:fs";
import { basename } from "node:path";
import { before, describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";

import { Nvme } from "../../../examples/nvme.ts";
import { SharedMemory } from "../../../src/memory/shared-memory.ts";
import { DISK_SIZE, diskBytes } from "../disk-image.ts";
import { bindTo, deviceFolder } from "./pci.ts";

const bdf = "0000:00:12.0";
const PAGE = 4096;
const READS = 2000;
const ROUNDS = 3;
const DEPTHS = [1, 32] as const;

/** All over the disk, each page more than once. */
const offsets = Array.from({ length: READS }, (_, index) => ((index * 769) % (DISK_SIZE / PAGE)) * PAGE);
/** Of every hundredth read the bytes are compared: comparing is not what is measured. */
const COMPARED = 100;

function compare(offset: number, page: Uint8Array): void {
  assert.ok(Buffer.compare(page, diskBytes(offset, PAGE)) === 0, `at ${offset}`);
}

async function secondsOf(work: () => Promise<number>): Promise<number> {
  const start = performance.now();
  assert.equal(await work(), READS);
  return (performance.now() - start) / 1000;
}

async function byExample(): Promise<number[]> {
  bindTo(bdf);
  const disk = await Nvme.open(bdf);
  try {
    const seconds: number[] = [];
    for (const depth of DEPTHS) {
      let done = 0;
      const onPage = (offset: number, page: Uint8Array): void => {
        if (done++ % COMPARED === 0) compare(offset, page);
      };
      seconds.push(await secondsOf(() => disk.read(offsets, depth, onPage).then(() => done)));
    }
    return seconds;
  } finally {
    disk.close();
  }
}

async function byKernel(): Promise<number[]> {
  bindTo(bdf, "nvme");
  const fd = openSync(await blockDevice(), constants.O_RDONLY | constants.O_DIRECT);
  const memory = new SharedMemory(32 * PAGE); // whole pages, as O_DIRECT wants them
  try {
    const alone = await secondsOf(() => Promise.resolve(readOneByOne(fd, memory.bytes(0, PAGE))));
    return [alone, await secondsOf(() => readSideBySide(fd, memory))];
  } finally {
    closeSync(fd);
    memory.close();
  }
}

async function blockDevice(): Promise<string> {
  for (;;) {
    const [found] = globSync(`${deviceFolder(bdf)}/nvme/nvme*/nvme*n*`);
    if (found !== undefined) return `/dev/${basename(found).replace(/^(nvme\d+)c\d+(n\d+)$/, "$1$2")}`;
    await setTimeout(10);
  }
}

function readOneByOne(fd: number, page: Uint8Array): number {
  let done = 0;
  for (const offset of offsets) {
    assert.equal(readSync(fd, page, 0, PAGE, offset), PAGE);
    if (done++ % COMPARED === 0) compare(offset, page);
  }
  return done;
}

/** By 32 threads of libuv's (UV_THREADPOOL_SIZE). */
async function readSideBySide(fd: number, memory: SharedMemory): Promise<number> {
  let [next, done] = [0, 0];
  const worker = async (slot: number): Promise<void> => {
    const page = memory.bytes(slot * PAGE, PAGE);
    for (let offset = offsets[next++]; offset !== undefined; offset = offsets[next++]) {
      assert.equal((await promisify(read)(fd, page, 0, PAGE, offset)).bytesRead, PAGE);
      if (done++ % COMPARED === 0) compare(offset, page);
    }
  };
  await Promise.all(Array.from({ length: 32 }, (_, slot) => worker(slot)));
  return done;
}

before(() => {
  assert.equal(spawnSync("modprobe", ["nvme"]).status, 0);
});

describe("examples/nvme.ts", () => {
  it("reads as many pages as the kernel's driver", async (t) => {
    // The first of each side warms up: the compiler's, and the driver's module.
    for (let round = -1; round < ROUNDS; round += 1) {
      const [example, kernel] = [await byExample(), await byKernel()];
      if (round < 0) continue;
      for (const [index, depth] of DEPTHS.entries()) {
        const pair = { hugebar: example[index], peer: kernel[index] };
        t.diagnostic(`nvme-rate ${JSON.stringify({ depth, reads: READS, seconds: pair })}`);
      }
    }
  });
});
