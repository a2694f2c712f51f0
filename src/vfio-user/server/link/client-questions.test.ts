/**
 * What the server makes of a client's answers to its own commands, VFIO_USER_DMA_READ and VFIO_USER_DMA_WRITE, which
 * need not be true.
 */

import assert from "node:assert/strict";
import { constants } from "node:os";
import { describe, it } from "node:test";
import { linux } from "../../../system/libc.ts";
import { BUFFER, FETCH, STORE } from "../dma-device.fixture.ts";
import { mapRequest, orderRequest, sendOrder } from "../dma-messages.fixture.ts";
import {
  VFIO_USER_DEVICE_RESET,
  VFIO_USER_DMA_MAP,
  VFIO_USER_DMA_READ,
  VFIO_USER_DMA_REGION_ACCESS,
  VFIO_USER_DMA_WRITE,
  VFIO_USER_F_ERROR,
  VFIO_USER_F_TYPE_REPLY,
  VFIO_USER_REGION_ACCESS,
  VFIO_USER_REGION_READ,
  VFIO_USER_REGION_WRITE,
} from "../../wire/protocol.ts";
import { encodeMessage, encodeReply, RawPeer, type ReceivedReply } from "../../wire/raw-peer.fixture.ts";
import { rawPeers } from "../../wire/raw-peers.fixture.ts";
import { servedSocket } from "../served-socket.fixture.ts";

const { EFAULT, EINVAL, EIO } = constants.errno;
const socket = servedSocket("dma-device.fixture.ts");
const { open, memfd, closeAll } = rawPeers(socket);

/** Gives the order, which makes the device ask for memory; returns the server's command. */
function ordered(peer: RawPeer, what: number): ReceivedReply {
  sendOrder(peer, what);
  const command = peer.receive();
  assert.ok(command !== null);
  assert.equal(command.command, what === FETCH ? VFIO_USER_DMA_READ : VFIO_USER_DMA_WRITE);
  assert.deepEqual([...command.payload.subarray(0, 16)], [8, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
  return command;
}

function access(addr: bigint, count: bigint, extra: number): Uint8Array {
  return VFIO_USER_DMA_REGION_ACCESS.encode({ addr, count }, extra);
}

describe("the server, asking its client for memory,", () => {
  it("takes what it is given", () => {
    const peer = open();
    const { id, command } = ordered(peer, FETCH);
    peer.send(encodeReply({ id, command, payload: access(8n, 4n, 4).fill(7, 16) }));
    assert.equal(peer.receive()?.errno, 0);
  });

  it("takes a header alone for an answer to a write, as QEMU sends it", () => {
    const peer = open();
    const { id, command, payload } = ordered(peer, STORE);
    assert.equal(payload.length, 20);
    peer.send(encodeReply({ id, command }));
    assert.equal(peer.receive()?.errno, 0);
  });

  const lies: [string, Uint8Array][] = [
    ["another address", access(9n, 4n, 4)],
    ["another count", access(8n, 5n, 4)],
    ["too few bytes", access(8n, 4n, 3)],
    ["too many bytes", access(8n, 4n, 5)],
    ["no bytes", new Uint8Array(0)],
  ];
  for (const [what, payload] of lies) {
    it(`refuses an answer of ${what}, and goes on`, () => {
      const peer = open();
      const { id, command } = ordered(peer, FETCH);
      peer.send(encodeReply({ id, command, payload }));
      assert.equal(peer.receive()?.errno, EIO);
      assert.equal(peer.ask(VFIO_USER_DEVICE_RESET, new Uint8Array(0))?.errno, 0);
    });
  }

  it("gives a refusal on", () => {
    const peer = open();
    const { id, command } = ordered(peer, FETCH);
    const flags = VFIO_USER_F_TYPE_REPLY | VFIO_USER_F_ERROR;
    peer.send(encodeReply({ id, command, flags, errno: EFAULT }));
    assert.equal(peer.receive()?.errno, EIO);
  });

  it("carries out what the client sends meanwhile afterwards, in order", () => {
    const peer = open();
    const { id, command } = ordered(peer, FETCH);
    const read = VFIO_USER_REGION_ACCESS.encode({ offset: BigInt(BUFFER), count: 4 });
    for (let next = 10; next < 20; next += 1) {
      peer.send(encodeMessage({ id: next, command: VFIO_USER_REGION_READ, payload: read }));
    }
    peer.send(encodeReply({ id, command, payload: access(8n, 4n, 4).fill(7, 16) }));
    assert.equal(peer.receive()?.id, 1);
    for (let next = 10; next < 20; next += 1) {
      const reply = peer.receive();
      assert.equal(reply?.id, next);
      assert.deepEqual([...(reply?.payload.subarray(16) ?? [])], [7, 7, 7, 7]);
    }
  });

  it("hangs up on an answer to nothing, and on a client that floods instead of answering", () => {
    const stray = open();
    const { id, command } = ordered(stray, FETCH);
    stray.send(encodeReply({ id: id + 1, command, payload: access(8n, 4n, 4) }));
    stray.send(encodeReply({ id, command, payload: access(8n, 4n, 4) }));
    assert.equal(stray.receive()?.errno, 0, "the true answer counts");
    assert.equal(stray.receive()?.errno, EINVAL);
    assert.equal(stray.receive(), null);
    closeAll();

    const flooding = open();
    ordered(flooding, FETCH);
    const read = encodeMessage({
      command: VFIO_USER_REGION_READ,
      payload: VFIO_USER_REGION_ACCESS.encode({ count: 4 }),
    });
    assert.throws(() => {
      for (let sent = 0; sent < 2000; sent += 1) flooding.send(read);
    }, /EPIPE|ECONNRESET/);
  });

  it("lets go of a client that hangs up instead of answering, or says nothing", () => {
    for (let round = 0; round < 10; round += 1) {
      const peer = RawPeer.negotiated(socket);
      ordered(peer, FETCH);
      peer.close();
    }
    const silent = open();
    ordered(silent, FETCH);
    assert.equal(waitForHangUp(silent), true);
  });

  it("reads a file that has shrunk no further than it goes, and asks instead", () => {
    const peer = open();
    const fd = memfd();
    assert.equal(peer.ask(VFIO_USER_DMA_MAP, mapRequest(), [fd])?.errno, 0);
    linux.ftruncate(fd, 0);
    const payload = orderRequest(FETCH, 8n, 4);
    peer.send(encodeMessage({ id: 1, command: VFIO_USER_REGION_WRITE, payload }));
    const command = peer.receive();
    assert.equal(command?.command, VFIO_USER_DMA_READ);
    peer.send(encodeReply({ id: command?.id ?? 0, command: VFIO_USER_DMA_READ, payload: access(8n, 4n, 4) }));
    assert.equal(peer.receive()?.errno, 0);
  });
});

/** Waits for the end of the stream, through the server's patience of 5 seconds. */
function waitForHangUp(peer: RawPeer): boolean {
  for (let tries = 0; tries < 6; tries += 1) {
    try {
      for (;;) if (peer.receive() === null) return true;
    } catch (error) {
      if (!(error instanceof Error) || error.message !== "silence") throw error;
    }
  }
  return false;
}
