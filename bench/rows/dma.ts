/** A device's DMA, where the client passed the memory's file along: no message, a copy at the speed of memory. */

import { F_DUPFD_CLOEXEC } from "../../src/system/constants.ts";
import { linux } from "../../src/system/libc.ts";
import { createMemfd } from "../../src/memory/memfd.ts";
import { MIB } from "../../src/layout/sizes.ts";
import { ClientMemory } from "../../src/vfio-user/server/dma/client-memory.ts";
import { Dma } from "../../src/vfio-user/server/dma/dma.ts";
import { comparePairs, type Side } from "../pairs.ts";
import type { Row } from "../row.ts";

const SIZE = 64 * MIB;
const IOVA = 0x1000_0000n;

/** Reads by DMA into `target`, one after another. */
function reads(dma: Dma, target: Uint8Array): Side {
  return async (count) => {
    const start = process.hrtime.bigint();
    for (let time = 0; time < count; time += 1) await dma.read(IOVA, target);
    return Number(process.hrtime.bigint() - start);
  };
}

export const dmaRead: Row = {
  name: "dma",
  what: "DMA of 64 MiB through passed memory",
  against: "C `memcpy`",
  bar: { kind: "speed", least: 0.9, bytes: SIZE },
  async measure(peers) {
    const memory = new ClientMemory(() => {});
    const fd = createMemfd("bench", SIZE, linux);
    try {
      // Mapping takes its descriptor over.
      const passed = linux.fcntl(fd, F_DUPFD_CLOEXEC, 0);
      const request = { iova: IOVA, size: BigInt(SIZE), offset: 0n, readable: true, writable: true };
      memory.map(request, passed);
      const dma = new Dma(memory, () => Promise.reject(new Error("the memory was passed along")));
      await dma.write(IOVA, new Uint8Array(SIZE).fill(1));
      const peer = await peers.start("memcpy", [SIZE]);
      const side = reads(dma, new Uint8Array(SIZE).fill(2));
      return await comparePairs(side, peer?.sample ?? null, { pairs: 61, count: 1 });
    } finally {
      void memory.clear();
      linux.close(fd);
    }
  },
};
