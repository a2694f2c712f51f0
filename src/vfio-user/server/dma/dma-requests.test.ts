/** What the server answers to VFIO_USER_DMA_MAP and VFIO_USER_DMA_UNMAP, good and bad. */

import assert from "node:assert/strict";
import { constants } from "node:os";
import { describe, it } from "node:test";
import { mapRequest, unmapRequest } from "../dma-messages.fixture.ts";
import { VFIO_DMA_UNMAP_FLAG_ALL, VFIO_USER_DMA_MAP, VFIO_USER_DMA_UNMAP } from "../../wire/protocol.ts";
import { assertErrno, rawPeers, type RequestCase } from "../../wire/raw-peers.fixture.ts";
import { servedSocket } from "../served-socket.fixture.ts";

const { EEXIST, EINVAL } = constants.errno;
const PAGE = 4096;
const { open, memfd, eventfd } = rawPeers(servedSocket("dma-device.fixture.ts"));

const maps: RequestCase[] = [
  ["a DMA map without a file", mapRequest(), 0],
  ["a DMA map with a file", mapRequest(), 0, () => [memfd()]],
  ["a DMA map that says how", mapRequest({ flags: 0xb }), 0, () => [memfd()]],
  ["a DMA map that says how, without a file", mapRequest({ flags: 7 }), EINVAL],
  ["a DMA map with two files", mapRequest(), EINVAL, () => [memfd(), memfd()]],
  ["a DMA map with an eventfd", mapRequest(), EINVAL, () => [eventfd()]],
  ["a DMA map of a file too short", mapRequest(), EINVAL, () => [memfd(PAGE - 1)]],
  ["a DMA map with unknown flags", mapRequest({ flags: 0x13 }), EINVAL],
  ["a DMA map of nothing", mapRequest({ size: 0n }), EINVAL],
  ["a DMA map that wraps", mapRequest({ addr: (1n << 64n) - 4096n, size: 8192n }), EINVAL],
  ["a DMA map of 2^64 − 4096", mapRequest({ size: (1n << 64n) - 4096n }), EINVAL],
  ["a DMA map off a page", mapRequest({ addr: 1n }), EINVAL],
  ["a DMA map with an offset and no file", mapRequest({ offset: 4096n }), EINVAL],
  ["a DMA map with a small argsz", mapRequest({ argsz: 31 }), EINVAL],
  ["a DMA map a byte short", mapRequest().subarray(1), EINVAL],
  ["a DMA map a byte long", Buffer.concat([mapRequest(), new Uint8Array(1)]), 0],
];

const all = { flags: VFIO_DMA_UNMAP_FLAG_ALL };
const unmaps: RequestCase[] = [
  ["a DMA unmap of what is not mapped", unmapRequest(), 0],
  ["a DMA unmap of all", unmapRequest({ ...all, size: 0n }), 0],
  ["a DMA unmap of all with a size", unmapRequest(all), EINVAL],
  ["a DMA unmap with a dirty bitmap", unmapRequest({ flags: 1 }), EINVAL],
  ["a DMA unmap with a small argsz", unmapRequest({ argsz: 23 }), EINVAL],
  ["a DMA unmap a byte short", unmapRequest().subarray(1), EINVAL],
  ["a DMA unmap a byte long", Buffer.concat([unmapRequest(), new Uint8Array(1)]), 0],
  ["a DMA unmap with a descriptor", unmapRequest(), EINVAL, () => [memfd()]],
];

describe("the server's reply to", () => {
  for (const [what, payload, errno, descriptors] of maps) {
    it(what, () => assertErrno(open(), VFIO_USER_DMA_MAP, payload, errno, descriptors?.()));
  }
  for (const [what, payload, errno, descriptors] of unmaps) {
    it(what, () => assertErrno(open(), VFIO_USER_DMA_UNMAP, payload, errno, descriptors?.()));
  }

  it("a DMA map over another, and an unmap: the request itself", () => {
    const peer = open();
    assert.equal(peer.ask(VFIO_USER_DMA_MAP, mapRequest({ addr: 4096n, size: 8192n }))?.errno, 0);
    for (const change of [
      { addr: 0n, size: 8192n },
      { addr: 8192n },
      { addr: 0n, size: 16384n },
      { addr: 4096n, size: 8192n },
    ]) {
      assert.equal(peer.ask(VFIO_USER_DMA_MAP, mapRequest(change))?.errno, EEXIST);
    }
    const unmap = unmapRequest({ addr: 4096n, size: 8192n });
    assert.equal(peer.ask(VFIO_USER_DMA_UNMAP, unmapRequest({ addr: 4096n }))?.errno, EINVAL, "a part of it");
    assert.deepEqual(peer.ask(VFIO_USER_DMA_UNMAP, unmap)?.payload, unmap);
    assert.equal(
      peer.ask(VFIO_USER_DMA_MAP, mapRequest({ addr: 4096n, size: 8192n }))?.errno,
      0,
      "it is gone",
    );
  });
});
