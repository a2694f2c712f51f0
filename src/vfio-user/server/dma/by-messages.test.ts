/** A device that reaches its clients' memory by messages, although they passed a file along. */

import assert from "node:assert/strict";
import { readdirSync, readlinkSync } from "node:fs";
import { describe, it } from "node:test";
import { MFD_CLOEXEC } from "../../../system/constants.ts";
import { linux } from "../../../system/libc.ts";
import {
  VFIO_USER_DMA_READ,
  VFIO_USER_DMA_REGION_ACCESS,
  VFIO_USER_F_TYPE_REPLY,
} from "../../wire/protocol.ts";
import { encodeMessage } from "../../wire/raw-peer.fixture.ts";
import { ownThread } from "../own-thread.fixture.ts";
import type { ClientDmaRange } from "./client-memory.ts";

const { start, pair } = ownThread();
const NAME = "left-alone";

/** How many descriptors of this process are the file's. */
function descriptors(): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).includes(NAME);
    } catch {
      return false; // that of the folder itself
    }
  }).length;
}

describe("DMA by choice of messages", () => {
  it("asks the client, and keeps neither its file nor a mapping", async () => {
    const ranges: ClientDmaRange[] = [];
    start({ regions: [], dmaByMessages: true, dmaMapped: (range) => void ranges.push(range) });
    const [peer, { dma }] = await pair();
    const file = linux.memfd_create(NAME, MFD_CLOEXEC);
    linux.ftruncate(file, 4096 * 2);
    await peer.map(1, 1, file, 4096n);
    assert.deepEqual(
      ranges.map(({ reach }) => reach),
      ["messages"],
    );
    assert.equal(descriptors(), 1, "the one that is the test's own");
    assert.throws(() => dma.view(0x1000n, 1), { code: "ERR_NOT_SUPPORTED" });
    const target = new Uint8Array(2);
    const read = dma.read(0x1010n, target);
    const question = await peer.receive();
    assert.equal(question?.command, VFIO_USER_DMA_READ);
    const { addr, count } = VFIO_USER_DMA_REGION_ACCESS.decode(question.payload);
    assert.deepEqual([addr, count], [0x1010n, 2n]);
    const payload = Uint8Array.of(...question.payload.subarray(0, VFIO_USER_DMA_REGION_ACCESS.size), 7, 8);
    peer.raw.send(
      encodeMessage({ id: question.id, command: VFIO_USER_DMA_READ, flags: VFIO_USER_F_TYPE_REPLY, payload }),
    );
    await read;
    assert.deepEqual([...target], [7, 8]);
    linux.close(file);
  });
});
