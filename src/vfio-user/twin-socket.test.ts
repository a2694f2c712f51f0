import assert from "node:assert/strict";
import { readlinkSync } from "node:fs";
import { constants } from "node:os";
import { describe, it } from "node:test";
import { VFIO_DEVICE_INFO } from "../device/transport/vfio-abi.ts";
import { EFD_CLOEXEC, SOCK_CLOEXEC, SOCK_STREAM } from "../system/constants.ts";
import { linux } from "../system/libc.ts";
import { SharedMemory } from "../memory/shared-memory.ts";
import { connectVfioUser } from "./client/client.ts";
import { BUFFER, encodeOrder, FETCH } from "./server/dma-device.fixture.ts";
import { sendOrder, unmapRequest } from "./server/dma-messages.fixture.ts";
import { negotiate } from "./client/negotiation.ts";
import {
  VFIO_USER_DEVICE_GET_INFO,
  VFIO_USER_DEVICE_RESET,
  VFIO_USER_DMA_READ,
  VFIO_USER_DMA_REGION_ACCESS,
  VFIO_USER_DMA_UNMAP,
  VFIO_USER_REGION_ACCESS,
  VFIO_USER_REGION_READ,
  VFIO_USER_VERSION,
} from "./wire/protocol.ts";
import {
  encodeMessage,
  encodeReply,
  RawPeer,
  versionPayload,
  type ReceivedReply,
} from "./wire/raw-peer.fixture.ts";
import { openDescriptors } from "../system/descriptors.fixture.ts";
import { scriptedServer, type Scripted } from "./client/scripted-server.fixture.ts";
import { servedSocket } from "./server/served-socket.fixture.ts";

const TWIN = { twin_socket: { supported: true, fd_index: 0 } };

/** The server's answer to the version, with its end of a twin socket kept. */
function answer(script: Scripted, capabilities: object, passed: boolean): RawPeer {
  const [near, far] = linux.socketpair(SOCK_STREAM | SOCK_CLOEXEC);
  const reply = encodeReply({ command: VFIO_USER_VERSION, payload: versionPayload(capabilities) });
  script.server.send(reply, passed ? [far] : []);
  linux.close(far);
  return new RawPeer(near);
}

describe("a twin socket that a server offers", () => {
  it("brings the server's commands, also while a reply is waited for on the other", () => {
    const before = openDescriptors();
    const script = scriptedServer();
    const twin = answer(script, TWIN, true);
    negotiate(script.channel, "vfio-user:/scripted", linux);
    const payload = VFIO_USER_DMA_REGION_ACCESS.encode({ addr: 0n, count: 4n });
    twin.send(encodeMessage({ id: 9, command: VFIO_USER_DMA_READ, payload }));
    const info = VFIO_DEVICE_INFO.encode({ argsz: 16, num_regions: 9 });
    script.server.send(encodeReply({ id: 1, command: VFIO_USER_DEVICE_GET_INFO, payload: info }));
    assert.equal(script.client.info().regionCount, 9);
    const refused = twin.receive();
    assert.equal(refused?.id, 9);
    assert.equal(refused?.errno, constants.errno.EFAULT);
    script.close();
    assert.equal(twin.receive(), null, "it is closed with the connection");
    twin.close();
    assert.deepEqual(openDescriptors(), before);
  });

  it("that is closed, or lies, ends the connection", () => {
    for (const lie of [null, encodeReply({ command: VFIO_USER_DMA_READ })]) {
      const before = openDescriptors();
      const script = scriptedServer({ milliseconds: 50 });
      const twin = answer(script, TWIN, true);
      negotiate(script.channel, "vfio-user:/scripted", linux);
      if (lie === null) twin.endOfStream();
      else twin.send(lie);
      const code = lie === null ? "ERR_DISCONNECTED" : "ERR_PROTOCOL";
      assert.throws(() => script.client.reset(), { code });
      assert.throws(() => script.client.reset(), { code: "ERR_DISCONNECTED" });
      script.close();
      twin.close();
      assert.deepEqual(openDescriptors(), before);
    }
  });

  it("keeps the time limit", () => {
    const script = scriptedServer({ milliseconds: 30 });
    const twin = answer(script, TWIN, true);
    negotiate(script.channel, "vfio-user:/scripted", linux);
    // A reset has a longer limit of its own.
    assert.throws(() => script.client.info(), { code: "ERR_TIMEOUT" });
    script.close();
    twin.close();
  });

  it("must be a socket", () => {
    const before = openDescriptors();
    const script = scriptedServer();
    const eventfd = linux.eventfd(0, EFD_CLOEXEC);
    const reply = encodeReply({ command: VFIO_USER_VERSION, payload: versionPayload(TWIN) });
    script.server.send(reply, [eventfd]);
    linux.close(eventfd);
    const expected = { code: "ERR_PROTOCOL", message: /the twin that it passed along is no socket/ };
    assert.throws(() => negotiate(script.channel, "it", linux), expected);
    script.close();
    assert.deepEqual(openDescriptors(), before);
  });

  it("must come with the answer that agrees to it, and with no other", () => {
    const cases: [object, boolean, RegExp][] = [
      [TWIN, false, /passed none along/],
      [{ twin_socket: { supported: true } }, true, /passed none along/],
      [{ twin_socket: { supported: true, fd_index: 1 } }, true, /passed none along/],
      [
        { twin_socket: { supported: false, fd_index: 0 } },
        true,
        /passed a descriptor along with its version/,
      ],
      [{}, true, /passed a descriptor along with its version/],
    ];
    for (const [capabilities, passed, message] of cases) {
      const before = openDescriptors();
      const script = scriptedServer();
      const twin = answer(script, capabilities, passed);
      assert.throws(() => negotiate(script.channel, "it", linux), { code: "ERR_PROTOCOL", message });
      script.close();
      twin.close();
      assert.deepEqual(openDescriptors(), before);
    }
    const script = scriptedServer();
    answer(script, {}, false).close();
    negotiate(script.channel, "it", linux);
    script.server.send(encodeReply({ id: 1, command: VFIO_USER_DEVICE_RESET }));
    script.client.reset();
    script.close();
  });
});

describe("a twin socket that a client asks for", () => {
  const socket = servedSocket("dma-device.fixture.ts");
  const proposal = { max_msg_fds: 8, twin_socket: { supported: true } };

  interface Pair {
    readonly peer: RawPeer;
    readonly twin: RawPeer;
    close(): void;
  }

  function open(): Pair {
    const peer = RawPeer.connect(socket);
    const reply = peer.ask(VFIO_USER_VERSION, versionPayload(proposal));
    const [fd] = reply?.descriptors ?? [];
    assert.ok(fd !== undefined);
    const twin = new RawPeer(fd);
    // When it has answered another request, the server has closed its copy of what it passed along.
    assert.equal(peer.ask(VFIO_USER_DEVICE_RESET, new Uint8Array(0))?.errno, 0);
    return {
      peer,
      twin,
      close() {
        peer.close();
        twin.close();
      },
    };
  }

  /** Orders the device to read the client's memory: returns the device's question. */
  function ordered({ peer, twin }: Pair): ReceivedReply {
    sendOrder(peer, FETCH);
    const question = twin.receive();
    assert.equal(question?.command, VFIO_USER_DMA_READ);
    return question;
  }

  const bytes = VFIO_USER_DMA_REGION_ACCESS.encode({ addr: 8n, count: 4n }, 4).fill(7, 16);

  /** In this process, which holds both ends. The server has let go of former clients when it serves the next one. */
  function openSockets(): number {
    return openDescriptors().filter(isSocket).length;
  }

  /** Both are hung up on. */
  function lost(pair: Pair): void {
    assert.equal(pair.twin.receive(), null);
    while (pair.peer.receive() !== null);
    pair.close();
  }

  it("is the first descriptor of the reply, and carries the server's commands and their answers", () => {
    const pair = open();
    for (let round = 0; round < 3; round += 1) {
      const { id, command } = ordered(pair);
      pair.twin.send(encodeReply({ id, command, payload: bytes }));
      assert.equal(pair.peer.receive()?.id, 1);
      assert.equal(pair.peer.ask(VFIO_USER_DMA_UNMAP, unmapRequest())?.errno, 0);
    }
    const read = VFIO_USER_REGION_ACCESS.encode({ offset: BigInt(BUFFER), count: 4 });
    assert.deepEqual(pair.peer.ask(VFIO_USER_REGION_READ, read)?.payload.subarray(16), bytes.subarray(16));
    pair.close();
  });

  it("is answered in the version by its place among the descriptors", () => {
    const peer = RawPeer.connect(socket);
    const reply = peer.ask(VFIO_USER_VERSION, versionPayload(proposal));
    const text = Buffer.from(reply?.payload ?? []).toString();
    assert.equal(
      text.slice(4),
      '{"capabilities":{"max_msg_fds":16,"twin_socket":{"supported":true,"fd_index":0}}}\0',
    );
    for (const fd of reply?.descriptors ?? []) linux.close(fd);
    peer.close();
  });

  it("is not given to who does not want it, or cannot take it", () => {
    for (const capabilities of [
      {},
      { twin_socket: {} },
      { twin_socket: { supported: false } },
      { max_msg_fds: 0, twin_socket: { supported: true } },
    ]) {
      const peer = RawPeer.connect(socket);
      const reply = peer.ask(VFIO_USER_VERSION, versionPayload(capabilities));
      assert.equal(reply?.errno, 0);
      assert.deepEqual(reply.descriptors, []);
      assert.doesNotMatch(Buffer.from(reply.payload).toString(), /twin/);
      peer.close();
    }
  });

  it("ends the connection when it brings a command, or an answer to nothing", () => {
    const lies = [
      encodeMessage({ command: VFIO_USER_DEVICE_RESET }),
      encodeReply({ id: 99, command: VFIO_USER_DMA_READ, payload: bytes }),
      encodeMessage({ command: VFIO_USER_DMA_READ, size: 3 }),
    ];
    for (const lie of lies) {
      const pair = open();
      const stray = linux.eventfd(0, EFD_CLOEXEC);
      ordered(pair);
      pair.twin.send(lie, [stray]);
      lost(pair);
      linux.close(stray);
    }
  });

  it("ends the connection when it is closed instead of used for an answer", () => {
    const pair = open();
    ordered(pair);
    pair.twin.close();
    while (pair.peer.receive() !== null);
    pair.peer.close();
  });

  it("leaves nothing behind", () => {
    const counts: number[] = [];
    for (let round = 0; round < 20; round += 1) {
      const pair = open();
      counts.push(openSockets());
      ordered(pair);
      pair.close();
    }
    assert.equal(new Set(counts).size, 1, counts.join(", "));
  });

  it("is what hugebar's own client takes", () => {
    const pair = open();
    const sockets = openSockets();
    pair.close();
    const client = connectVfioUser(socket);
    // When it has answered another request, the server has closed its copy of what it passed along.
    client.reset();
    assert.equal(openSockets(), sockets);
    const memory = new SharedMemory(4096);
    memory.bytes(0, 4).set([9, 8, 7, 6]);
    const { address } = memory;
    client.dma.map({ address, iova: 0n, size: 4096, readable: true, writable: true });
    client.write(0, 0, encodeOrder(FETCH, 0, 0n, 4));
    const fetched = new Uint8Array(4);
    client.read(0, BUFFER, fetched);
    assert.deepEqual([...fetched], [9, 8, 7, 6]);
    client.close();
    memory.close();
  });
});

function isSocket(descriptor: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith("socket:");
  } catch {
    // It was the listing's own.
    return false;
  }
}
