/** Clients that lie, flood, stall and vanish: the server goes on serving the next one, and keeps nothing of them. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openDescriptors } from "../system/descriptors.fixture.ts";
import { VFIO_DEVICE_INFO, VFIO_REGION_INFO } from "../device/transport/vfio-abi.ts";
import { EFD_CLOEXEC, MSG_DONTWAIT, MSG_NOSIGNAL } from "../system/constants.ts";
import { linux } from "../system/libc.ts";
import { SystemCallError } from "../system/system.ts";
import { connectVfioUser } from "./client/client.ts";
import { MEMORY, REGISTERS, SLOW_REGISTERS } from "./server/device.fixture.ts";
import {
  VFIO_USER_DEVICE_GET_INFO,
  VFIO_USER_DEVICE_GET_REGION_INFO,
  VFIO_USER_DEVICE_RESET,
  VFIO_USER_DMA_MAP,
  VFIO_USER_REGION_ACCESS,
  VFIO_USER_REGION_READ,
  VFIO_USER_REGION_WRITE,
  VFIO_USER_VERSION,
} from "./wire/protocol.ts";
import { fuzzSeed, mutate, randomFrom } from "./wire/random.fixture.ts";
import { encodeMessage, RawPeer, versionPayload } from "./wire/raw-peer.fixture.ts";
import { servedSocket } from "./server/served-socket.fixture.ts";

const socket = servedSocket("device.fixture.ts");

/**
 * What is open in this process, which holds server and client, while one client is connected: the server serves one at
 * a time, so it has let go of all that were before.
 */
function openWhileConnected(): number {
  // The very first client comes while the worker that serves is still starting.
  RawPeer.negotiated(socket).close();
  const peer = RawPeer.negotiated(socket);
  const count = openDescriptors().length;
  peer.close();
  return count;
}

/** Holds that the server serves an honest client, and that nothing is open that was not before. */
function servesOn(open: number): void {
  const client = connectVfioUser(socket);
  client.write(REGISTERS, 0, new Uint8Array([1, 2, 3, 4]));
  const bytes = new Uint8Array(4);
  client.read(REGISTERS, 0, bytes);
  assert.deepEqual([...bytes], [1, 2, 3, 4]);
  client.close();
  assert.equal(openWhileConnected(), open);
}

const access = (offset: bigint, region: number, count: number, data = 0) =>
  VFIO_USER_REGION_ACCESS.encode({ offset, region, count }, data);
const version = encodeMessage({ command: VFIO_USER_VERSION, payload: versionPayload() });
const requests: readonly [Uint8Array, ...Uint8Array[]] = [
  encodeMessage({ command: VFIO_USER_DEVICE_GET_INFO, payload: VFIO_DEVICE_INFO.encode({ argsz: 16 }) }),
  encodeMessage({
    command: VFIO_USER_DEVICE_GET_REGION_INFO,
    payload: VFIO_REGION_INFO.encode({ argsz: 4096, index: MEMORY }),
  }),
  encodeMessage({ command: VFIO_USER_REGION_READ, payload: access(0n, REGISTERS, 8) }),
  encodeMessage({ command: VFIO_USER_REGION_READ, payload: access(0n, SLOW_REGISTERS, 8) }),
  encodeMessage({ command: VFIO_USER_REGION_WRITE, payload: access(0n, MEMORY, 8, 8) }),
  encodeMessage({ command: VFIO_USER_DMA_MAP, payload: new Uint8Array(32) }),
  encodeMessage({ command: VFIO_USER_DEVICE_RESET }),
];

describe("a server with bad clients", () => {
  it("survives one that hangs up at every byte of every request", () => {
    const open = openWhileConnected();
    for (const request of requests) {
      const stream = Buffer.concat([version, request]);
      for (let length = 0; length <= stream.length; length += 1) {
        const peer = RawPeer.connect(socket);
        if (length > 0) peer.send(stream.subarray(0, length));
        peer.close();
      }
    }
    servesOn(open);
  });

  it("survives 20,000 mutated requests, with descriptors where none belong", (t) => {
    const seed = fuzzSeed();
    t.diagnostic(`seed ${seed}`);
    const random = randomFrom(seed);
    const stray = linux.eventfd(0, EFD_CLOEXEC);
    const open = openWhileConnected();
    for (let round = 0; round < 2000; round += 1) {
      const peer = RawPeer.connect(socket);
      sendAll(peer, random.below(10) === 0 ? mutate(version, random) : version);
      for (let sent = 0; sent < 10; sent += 1) {
        const lie = mutate(random.pick(requests), random);
        if (lie.length > 0) sendAll(peer, lie, Array<number>(random.below(3)).fill(stray));
      }
      peer.close();
    }
    servesOn(open);
    linux.close(stray);
  });

  it("stops reading from one that does not read its replies, and takes no memory for them", () => {
    const open = openWhileConnected();
    const peer = RawPeer.negotiated(socket);
    const flood = encodeMessage({ command: VFIO_USER_REGION_READ, payload: access(0n, MEMORY, 1 << 20) });
    let sent = 0;
    // The socket's own buffer takes a few thousand of these; a server that read on would take them all.
    for (; sent < 100_000; sent += 1) if (!trySend(peer, flood)) break;
    assert.ok(sent < 100_000, "back-pressure reaches the client");
    assert.equal(peer.receive()?.payload.length, 16 + (1 << 20), "and ends when it reads");
    peer.close();
    servesOn(open);
  });

  it("lets go of one that hangs up while a handler works for it", () => {
    const open = openWhileConnected();
    for (let round = 0; round < 20; round += 1) {
      const peer = RawPeer.negotiated(socket);
      peer.send(encodeMessage({ command: VFIO_USER_REGION_READ, payload: access(0n, SLOW_REGISTERS, 4) }));
      peer.close();
    }
    servesOn(open);
  });
});

function sendAll(peer: RawPeer, bytes: Uint8Array, descriptors: readonly number[] = []): void {
  try {
    peer.send(bytes, descriptors);
  } catch (error) {
    // The server has hung up on an earlier lie.
    if (!(error instanceof SystemCallError) || !["EPIPE", "ECONNRESET"].includes(error.code)) throw error;
  }
}

function trySend(peer: RawPeer, bytes: Uint8Array): boolean {
  for (let tries = 0; tries < 50; tries += 1) {
    try {
      linux.send(peer.fd, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
      return true;
    } catch (error) {
      if (!(error instanceof SystemCallError) || error.code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
  return false;
}
