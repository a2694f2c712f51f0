/** What `hugebar:vfio-user.message` tells of the messages of a server and of a client. */

import assert from "node:assert/strict";
import { constants } from "node:os";
import { afterEach, describe, it } from "node:test";
import { SharedMemory } from "../memory/shared-memory.ts";
import { connectVfioUser } from "./client/client.ts";
import { linux } from "../system/libc.ts";
import { drivenDevice } from "./driven-device.fixture.ts";
import { STORE } from "./server/dma-device.fixture.ts";
import { REGISTERS } from "./server/device.fixture.ts";
import { ownThread } from "./server/own-thread.fixture.ts";
import { servedSocket } from "./server/served-socket.fixture.ts";
import { listenToMessages, type VfioUserMessageEvent } from "./wire/message-events.ts";
import {
  VFIO_USER_DEVICE_RESET,
  VFIO_USER_F_ERROR,
  VFIO_USER_F_TYPE_REPLY,
  VFIO_USER_REGION_ACCESS,
  VFIO_USER_REGION_WRITE,
} from "./wire/protocol.ts";
import { encodeMessage } from "./wire/raw-peer.fixture.ts";

const { start, negotiate, pair } = ownThread();

let stop: (() => void) | null = null;
afterEach(() => stop?.());

function listen(): VfioUserMessageEvent[] {
  const events: VfioUserMessageEvent[] = [];
  stop = listenToMessages((event) => events.push(event));
  return events;
}

/** `received VFIO_USER_REGION_READ command` */
function summaries(events: readonly VfioUserMessageEvent[]): string[] {
  return events.map(({ direction, name, type }) => `${direction} ${name} ${type}`);
}

const registers = {
  index: 0,
  size: 4096,
  read: (_: number, target: Uint8Array) => void target.fill(0xab),
  write: () => {},
};

describe("the messages of a server", () => {
  it("are told by name in both directions, with what their structures say and without their data", async () => {
    start({ regions: [registers] });
    const events = listen();
    const peer = await negotiate({ max_msg_fds: 3 });
    await peer.read(0, 0x18, 4);
    assert.deepEqual(summaries(events), [
      "received VFIO_USER_VERSION command",
      "sent VFIO_USER_VERSION reply",
      "received VFIO_USER_REGION_READ command",
      "sent VFIO_USER_REGION_READ reply",
    ]);
    const [version, , request, reply] = events;
    assert.deepEqual(version?.fields, {
      major: 0,
      minor: 1,
      capabilities: '{"capabilities":{"max_msg_fds":3}}',
    });
    assert.match(request?.device ?? "", /^vfio-user:\/.*\.sock$/);
    const access = { offset: 0x18n, region: 0, count: 4 };
    const { device: _, ...told } = request ?? {};
    assert.deepEqual(told, {
      side: "server",
      twin: false,
      direction: "received",
      id: 9,
      command: 9,
      name: "VFIO_USER_REGION_READ",
      type: "command",
      size: 32,
      flags: 0,
      errno: 0,
      descriptors: 0,
      fields: access,
    });
    assert.deepEqual(reply?.fields, access);
    assert.equal(reply?.size, 36);
  });

  it("count descriptors, tell errors, and show what cannot be as it came", async () => {
    start({ regions: [registers] });
    const peer = await negotiate();
    const memory = new SharedMemory(4096);
    const events = listen();
    await peer.map(1, 1, memory.fd);
    const wild = VFIO_USER_REGION_ACCESS.encode({ offset: 2n ** 64n - 1n, region: 0xffff_ffff, count: 0 });
    await peer.ask(VFIO_USER_REGION_WRITE, wild);
    await peer.ask(VFIO_USER_REGION_WRITE, wild.subarray(1));
    await peer.ask(99, new Uint8Array(3));
    memory.close();
    const [map, , write, refusal, cut, , unknown] = events;
    assert.equal(map?.descriptors, 1);
    assert.equal(map.fields["addr"], 4096n);
    assert.deepEqual(write?.fields, { offset: 2n ** 64n - 1n, region: 0xffff_ffff, count: 0 });
    assert.equal(refusal?.flags, VFIO_USER_F_TYPE_REPLY | VFIO_USER_F_ERROR);
    assert.equal(refusal.errno, constants.errno.EINVAL);
    assert.deepEqual(cut?.fields, {});
    assert.equal(unknown?.name, "VFIO_USER_99");
  });

  it("tell its own commands and their answers", async () => {
    start({ regions: [] });
    const [peer, client] = await pair();
    await peer.map(0, 1);
    const events = listen();
    const secret = new TextEncoder().encode("secret");
    const written = client.dma.write(0x20n, secret);
    const command = await peer.receive();
    assert.ok(command !== null);
    peer.raw.send(
      encodeMessage({ ...command, flags: VFIO_USER_F_TYPE_REPLY, payload: command.payload.subarray(0, 16) }),
    );
    await written;
    assert.deepEqual(summaries(events), [
      "sent VFIO_USER_DMA_WRITE command",
      "received VFIO_USER_DMA_WRITE reply",
    ]);
    for (const { fields } of events) assert.deepEqual(fields, { addr: 0x20n, count: 6n });
  });

  it("are told no more when nobody listens", async () => {
    start({ regions: [] });
    const events = listen();
    const peer = await negotiate();
    stop?.();
    await peer.ask(VFIO_USER_DEVICE_RESET, new Uint8Array(0));
    assert.equal(events.length, 2);
  });
});

describe("the messages of a client", () => {
  const socket = servedSocket("device.fixture.ts");

  it("are told as a server's are", () => {
    const events = listen();
    const client = connectVfioUser(socket);
    client.write(REGISTERS, 8, new Uint8Array(4));
    client.close();
    const [version, agreed] = events;
    assert.deepEqual([version?.side, version?.device], ["client", `vfio-user:${socket}`]);
    assert.deepEqual(summaries(events.slice(0, 2)), [
      "sent VFIO_USER_VERSION command",
      "received VFIO_USER_VERSION reply",
    ]);
    assert.equal(agreed?.descriptors, 1, "the twin socket");
    const writes = events.filter(({ command }) => command === VFIO_USER_REGION_WRITE);
    assert.deepEqual(summaries(writes), [
      "sent VFIO_USER_REGION_WRITE command",
      "received VFIO_USER_REGION_WRITE reply",
    ]);
    for (const { fields } of writes) assert.deepEqual(fields, { offset: 8n, region: REGISTERS, count: 4 });
  });
});

describe("the messages of the twin socket", () => {
  const device = drivenDevice();

  it("are told as such", () => {
    const memory = new SharedMemory(4096);
    const bytes = memory.bytes(0, 4096);
    const range = { address: linux.addressOf(bytes), size: 4096, readable: true, writable: true };
    device.client.dma.map({ ...range, iova: 0x1000n });
    const events = listen();
    device.order(STORE, 0, 0x1010n, 3);
    device.client.dma.unmap(0x1000n, 4096);
    memory.close();
    assert.deepEqual(
      events.slice(0, 4).map(({ twin, name, type }) => `${twin ? "twin: " : ""}${name} ${type}`),
      [
        "VFIO_USER_REGION_WRITE command",
        "twin: VFIO_USER_DMA_WRITE command",
        "twin: VFIO_USER_DMA_WRITE reply",
        "VFIO_USER_REGION_WRITE reply",
      ],
    );
    assert.deepEqual(events[1]?.fields, { addr: 0x1010n, count: 3n });
  });
});
