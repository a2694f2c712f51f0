/** What the server answers to coalesced writes, and about region I/O descriptors where there are none. */

import assert from "node:assert/strict";
import { constants } from "node:os";
import { describe, it } from "node:test";
import { BUFFER } from "../dma-device.fixture.ts";
import {
  VFIO_USER_DEVICE_GET_REGION_IO_FDS,
  VFIO_USER_F_NO_REPLY,
  VFIO_USER_REGION_ACCESS,
  VFIO_USER_REGION_IO_FDS,
  VFIO_USER_REGION_READ,
  VFIO_USER_REGION_WRITE_MULTI,
  VFIO_USER_WRITE_MULTI_ENTRY,
  VFIO_USER_WRITE_MULTI_HEAD,
} from "../../wire/protocol.ts";
import { encodeMessage } from "../../wire/raw-peer.fixture.ts";
import { assertErrno, rawPeers, type RequestCase } from "../../wire/raw-peers.fixture.ts";
import { servedSocket } from "../served-socket.fixture.ts";

const { EINVAL } = constants.errno;
const { open } = rawPeers(servedSocket("dma-device.fixture.ts"));

function multi(
  entries: readonly Parameters<typeof VFIO_USER_WRITE_MULTI_ENTRY.encode>[0][],
  count: number | bigint = entries.length,
): Uint8Array {
  return Buffer.concat([
    VFIO_USER_WRITE_MULTI_HEAD.encode({ wr_cnt: BigInt(count) }),
    ...entries.map((entry) => VFIO_USER_WRITE_MULTI_ENTRY.encode(entry)),
  ]);
}

const one = { offset: BigInt(BUFFER), region: 0, count: 2, data: 0xbbaan };
const writes: RequestCase[] = [
  ["two writes at once", multi([one, { ...one, offset: BigInt(BUFFER + 2) }]), 0],
  ["no writes at once", multi([]), 0],
  ["fewer writes than counted", multi([one], 2), EINVAL],
  ["2^64 − 1 writes", multi([one], (1n << 64n) - 1n), EINVAL],
  ["a write of 9 bytes among others", multi([{ ...one, count: 9 }]), EINVAL],
  ["a write outside among others", multi([{ ...one, offset: 0x4000n }]), 0],
];

const ioFds = (change: object = {}): Uint8Array => VFIO_USER_REGION_IO_FDS.encode({ argsz: 16, ...change });
const descriptions: RequestCase[] = [
  ["region I/O descriptors", ioFds(), 0],
  ["region I/O descriptors, a byte long", Buffer.concat([ioFds(), new Uint8Array(1)]), 0],
  ["region I/O descriptors of no region", ioFds({ index: 9 }), EINVAL],
  ["region I/O descriptors with flags", ioFds({ flags: 1 }), EINVAL],
];

describe("the server's reply to", () => {
  for (const [what, payload, errno] of writes) {
    it(what, () => assertErrno(open(), VFIO_USER_REGION_WRITE_MULTI, payload, errno));
  }
  for (const [what, payload, errno] of descriptions) {
    it(what, () => assertErrno(open(), VFIO_USER_DEVICE_GET_REGION_IO_FDS, payload, errno));
  }

  it("writes at once: their count; and they are done, also when no reply is wanted", () => {
    const peer = open();
    const reply = peer.ask(
      VFIO_USER_REGION_WRITE_MULTI,
      multi([one, { ...one, offset: BigInt(BUFFER + 1) }]),
    );
    assert.deepEqual([...(reply?.payload ?? [])], [2, 0, 0, 0, 0, 0, 0, 0]);
    const some = multi([{ ...one, offset: 0x4000n }, one, { ...one, region: 5 }, one]);
    const done = peer.ask(VFIO_USER_REGION_WRITE_MULTI, some)?.payload ?? [];
    assert.deepEqual([...done], [2, 0, 0, 0, 0, 0, 0, 0], "those that could be done");
    peer.ask(VFIO_USER_REGION_WRITE_MULTI, multi([{ ...one, offset: BigInt(BUFFER + 1) }]));
    const later = multi([{ ...one, offset: BigInt(BUFFER + 3), data: 0xddccn }]);
    peer.send(
      encodeMessage({ command: VFIO_USER_REGION_WRITE_MULTI, flags: VFIO_USER_F_NO_REPLY, payload: later }),
    );
    const read = VFIO_USER_REGION_ACCESS.encode({ offset: BigInt(BUFFER), count: 5 });
    assert.deepEqual(
      [...(peer.ask(VFIO_USER_REGION_READ, read)?.payload.subarray(16) ?? [])],
      [0xaa, 0xaa, 0xbb, 0xcc, 0xdd],
    );
  });
});
