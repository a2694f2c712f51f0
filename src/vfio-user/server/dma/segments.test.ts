/** Lists of segments of the client's memory, whose parts are reached in different ways. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SharedMemory } from "../../../memory/shared-memory.ts";
import { MFD_CLOEXEC } from "../../../system/constants.ts";
import { linux } from "../../../system/libc.ts";
import { ownThread } from "../own-thread.fixture.ts";

const PAGE = 4096;
const { start, pair } = ownThread();

describe("segments of the client's memory", () => {
  it("are read and written one behind the other, over ranges, by mappings and by files", async () => {
    start({ regions: [] });
    const [peer, { dma }] = await pair();
    const memory = new SharedMemory(2 * PAGE);
    const file = linux.memfd_create("segments", MFD_CLOEXEC);
    linux.ftruncate(file, PAGE);
    await peer.map(0, 1, memory.fd);
    await peer.map(1, 1, memory.fd, BigInt(PAGE));
    await peer.map(2, 1, file);
    const segments = [
      { iova: 8190n, length: 4 },
      { iova: 5n, length: 0 },
      { iova: 4094n, length: 4 },
    ];
    await dma.writeList(segments, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    assert.deepEqual([...memory.bytes(8190, 2), ...memory.bytes(4094, 4)], [1, 2, 5, 6, 7, 8]);
    const target = new Uint8Array(8);
    await dma.readList(segments, target);
    assert.deepEqual([...target], [1, 2, 3, 4, 5, 6, 7, 8]);

    const missing = [...segments, { iova: 0x10_0000n, length: 1 }];
    const untouched = new Uint8Array(9);
    await assert.rejects(dma.readList(missing, untouched), { code: "ERR_ACCESS_RANGE" });
    assert.deepEqual(untouched, new Uint8Array(9));
    await assert.rejects(dma.readList(segments, untouched), { code: "ERR_ARGUMENT" });

    const leases = dma.viewList([
      { iova: 4094n, length: 4 },
      { iova: 0n, length: 1 },
    ]);
    assert.deepEqual(
      leases.map(({ bytes }) => [...bytes]),
      [[5, 6], [7, 8], [0]],
    );
    for (const lease of leases) lease.release();
    assert.throws(() => dma.viewList(segments), { code: "ERR_NOT_SUPPORTED" });
    assert.equal((await peer.unmap(0, 3)).errno, 0, "no lease is left of those that were taken");
    linux.close(file);
    memory.close();
  });
});
