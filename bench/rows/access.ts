/** Rows of access to a mapped region: registers in an area and in a gap, and memory. */

import { createMemfd } from "../../src/memory/memfd.ts";
import { linux } from "../../src/system/libc.ts";
import type { Mapping } from "../../src/device/region/mapping.ts";
import { MIB } from "../../src/layout/sizes.ts";
import { fileDevice } from "../file-device.ts";
import { comparePairs, timed, type Side } from "../pairs.ts";
import type { Row } from "../row.ts";

const PAGE = 4096;
const COPY_SIZE = 64 * MIB;

/** Reads registers of a page, one after another. */
function reads(bar: Mapping, from: number): Side {
  return timed((count) => {
    let sum = 0;
    for (let index = 0; index < count; index += 1) sum += bar.read32(from + ((index * 4) % PAGE));
    // So that the reads are needed.
    if (sum !== 0) throw new Error("the memory is not zero");
  });
}

export const readInArea: Row = {
  name: "read-area",
  what: "`read32` in an area",
  against: "C volatile load",
  bar: { kind: "extra", most: 15 },
  async measure(peers) {
    const device = fileDevice(PAGE, [{ offset: 0, size: PAGE }]);
    try {
      const peer = await peers.start("load32");
      const side = reads(device.region(0).map(), 0);
      return await comparePairs(side, peer?.sample ?? null, { pairs: 301, count: 50_000 });
    } finally {
      device.close();
    }
  },
};

export const readInGap: Row = {
  name: "read-gap",
  what: "`read32` in a gap",
  against: "C `pread`",
  bar: { kind: "ratio", most: 1.5 },
  async measure(peers) {
    const device = fileDevice(2 * PAGE, [{ offset: 0, size: PAGE }]);
    try {
      const peer = await peers.start("pread32");
      const bar = device.region(0).map();
      // The page is there then; a hole is read by another way.
      bar.write32(PAGE, 0);
      return await comparePairs(reads(bar, PAGE), peer?.sample ?? null, { pairs: 301, count: 5_000 });
    } finally {
      device.close();
    }
  },
};

/** The same `pread` by `System` in this process, so that what is left is hugebar's own. */
export const ownInGap: Row = {
  name: "read-gap-own",
  what: "what hugebar adds to the `pread`",
  against: "the call alone, by koffi",
  bar: { kind: "ratio", most: 1.25 },
  async measure() {
    const device = fileDevice(2 * PAGE, [{ offset: 0, size: PAGE }]);
    const fd = createMemfd("bare", 2 * PAGE, linux);
    try {
      const bar = device.region(0).map();
      bar.write32(PAGE, 0);
      const word = new Uint8Array(4);
      linux.pwrite(fd, word, PAGE);
      const bare = timed((count) => {
        for (let index = 0; index < count; index += 1) linux.pread(fd, word, PAGE + ((index * 4) % PAGE));
      });
      return await comparePairs(reads(bar, PAGE), bare, { pairs: 301, count: 5_000 });
    } finally {
      linux.close(fd);
      device.close();
    }
  },
};

export const copyOut: Row = {
  name: "copy",
  what: "copying 64 MiB out",
  against: "C `memcpy`",
  bar: { kind: "speed", least: 0.9, bytes: COPY_SIZE },
  async measure(peers) {
    const device = fileDevice(COPY_SIZE, [{ offset: 0, size: COPY_SIZE }]);
    try {
      const peer = await peers.start("memcpy", [COPY_SIZE]);
      const bar = device.region(0).map();
      const target = new Uint8Array(COPY_SIZE).fill(2);
      bar.copyIn(0, new Uint8Array(COPY_SIZE).fill(1));
      const copies = timed((count) => {
        for (let time = 0; time < count; time += 1) bar.copyOut(0, target);
      });
      return await comparePairs(copies, peer?.sample ?? null, { pairs: 61, count: 1 });
    } finally {
      device.close();
    }
  },
};
