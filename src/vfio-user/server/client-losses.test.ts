/** What a device's author is told of clients that come and go. The server is in this thread, its clients never wait. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { HugebarError } from "../../errors.ts";
import {
  VFIO_USER_DEVICE_RESET,
  VFIO_USER_DMA_MAP,
  VFIO_USER_DMA_MAP_REQUEST,
  VFIO_USER_F_DMA_REGION_READ,
  VFIO_USER_F_NO_REPLY,
  VFIO_USER_REGION_ACCESS,
  VFIO_USER_REGION_READ,
  VFIO_USER_VERSION,
} from "../wire/protocol.ts";
import { encodeMessage, RawPeer, versionPayload } from "../wire/raw-peer.fixture.ts";
import type { DeviceClient } from "./parts/device-client.ts";
import { serveDevice, type DeviceServer } from "./server.ts";

const folder = mkdtempSync(join(tmpdir(), "hugebar-"));
const socket = join(folder, "device.sock");
after(() => rmSync(folder, { recursive: true }));

/** What has happened: `connected`, `left`, or an error's code and message. */
let events: string[] = [];
let server: DeviceServer;
afterEach(async () => {
  await server.close();
  events = [];
});

const version = encodeMessage({ command: VFIO_USER_VERSION, payload: versionPayload() });
const read = encodeMessage({
  command: VFIO_USER_REGION_READ,
  payload: VFIO_USER_REGION_ACCESS.encode({ region: 0, count: 4 }),
});
const map = encodeMessage({
  command: VFIO_USER_DMA_MAP,
  payload: VFIO_USER_DMA_MAP_REQUEST.encode({
    argsz: VFIO_USER_DMA_MAP_REQUEST.size,
    flags: VFIO_USER_F_DMA_REGION_READ,
    size: 4096n,
  }),
});

function start(handler: (client: DeviceClient) => Promise<void> = async () => {}): void {
  server = serveDevice(
    {
      regions: [{ index: 0, size: 4096, read: (_offset, _target, client) => handler(client) }],
      connected: () => void events.push("connected"),
      disconnected: (error: HugebarError | null) =>
        void events.push(error === null ? "left" : `${error.code}: ${error.message}`),
    },
    { socket, onError: (error) => events.push(`onError: ${String(error)}`) },
  );
}

/** Connects, sends all this, and waits until it is served. */
async function client(...messages: readonly Uint8Array[]): Promise<RawPeer> {
  const peer = RawPeer.connect(socket);
  peer.send(Buffer.concat(messages));
  await until(() => events.length > 0);
  return peer;
}

async function until(done: () => boolean): Promise<void> {
  for (let tries = 0; !done(); tries += 1) {
    assert.ok(tries < 2000, `it has not come: ${events.join(", ")}`);
    await sleep(1);
  }
}

async function gone(): Promise<void> {
  await until(() => events.length > 1);
  await sleep(5);
}

describe("a device's author is told", () => {
  it("when a client comes, and when it leaves in order", async () => {
    start();
    for (let round = 1; round <= 3; round += 1) {
      const peer = await client(version, read);
      assert.equal(peer.receive()?.command, VFIO_USER_VERSION);
      await sleep(5);
      assert.equal(peer.receive()?.command, VFIO_USER_REGION_READ);
      peer.close();
      await gone();
      assert.deepEqual(events, ["connected", "left"]);
      events = [];
    }
  });

  it("nothing of one that agrees on no version", async () => {
    start();
    for (const greeting of [new Uint8Array(0), version.subarray(0, 20), read]) {
      const peer = RawPeer.connect(socket);
      if (greeting.length > 0) peer.send(greeting);
      await sleep(5);
      peer.close();
    }
    const peer = await client(version);
    assert.deepEqual(events, ["connected"]);
    peer.close();
  });

  it("of its end when the server is closed", async () => {
    start();
    const peer = await client(version);
    await server.close();
    assert.deepEqual(events, ["connected", "left"]);
    peer.close();
  });

  const held = Promise.withResolvers<void>();
  const losses: [string, string, () => Promise<void>][] = [
    [
      "that a client hung up in the middle of a message",
      "ERR_DISCONNECTED: Cannot serve the client: it hung up in the middle of a message",
      async () => {
        start();
        const peer = await client(version, read.subarray(0, 20));
        peer.receive();
        peer.close();
      },
    ],
    [
      "that a client hung up before it took its replies",
      "ERR_DISCONNECTED: Cannot serve the client: it hung up before it took what was sent to it",
      async () => {
        start();
        (await client(version, read)).close();
      },
    ],
    [
      "that a client hung up while a handler worked for it",
      "ERR_DISCONNECTED: Cannot serve the client: it hung up before it took what was sent to it",
      async () => {
        start(() => held.promise);
        const peer = await client(version, read);
        peer.receive();
        peer.close();
        await sleep(5);
        held.resolve();
      },
    ],
    [
      "that a client hung up instead of answering",
      "ERR_DISCONNECTED: Cannot serve the client: it hung up instead of answering",
      async () => {
        start((client) => client.dma.read(0n, new Uint8Array(4)));
        const peer = await client(version, map, read);
        await sleep(5);
        for (let message = 0; message < 3; message += 1) peer.receive();
        peer.close();
      },
    ],
    [
      "that a client broke the protocol, and how",
      "ERR_PROTOCOL: Cannot serve the client: it broke the protocol: a second version",
      async () => {
        start();
        await client(version, version);
      },
    ],
  ];
  for (const [what, message, lose] of losses) {
    it(what, async () => {
      await lose();
      await gone();
      const errors = events.filter((event) => !event.startsWith("onError"));
      assert.deepEqual(errors, ["connected", message]);
    });
  }

  it("that a client did not answer", async (t) => {
    const asked = Promise.withResolvers<void>();
    start(async (client) => {
      const answer = client.dma.read(0n, new Uint8Array(4));
      asked.resolve();
      await answer;
    });
    const peer = await client(version);
    t.mock.timers.enable({ apis: ["setTimeout"] });
    peer.send(Buffer.concat([map, read]));
    await asked.promise;
    t.mock.timers.tick(5000);
    t.mock.timers.reset();
    await gone();
    assert.equal(events[1], "ERR_TIMEOUT: Cannot serve the client: no answer within 5000 ms");
    peer.close();
  });

  it("nothing worse when a command without a reply was the last", async () => {
    start();
    const last = encodeMessage({ command: VFIO_USER_DEVICE_RESET, flags: VFIO_USER_F_NO_REPLY });
    const peer = await client(version, last);
    peer.receive();
    peer.close();
    await gone();
    assert.deepEqual(events, ["connected", "left"]);
  });

  it("of what its own functions throw, by onError", async () => {
    server = serveDevice(
      {
        regions: [],
        connected: () => {
          throw new TypeError("one");
        },
        disconnected: () => Promise.reject(new TypeError("two")),
      },
      { socket, onError: (error) => events.push(String(error)) },
    );
    const peer = await client(version);
    assert.equal(peer.receive()?.errno, 0);
    peer.close();
    await gone();
    assert.deepEqual(events, ["TypeError: one", "TypeError: two"]);
  });
});
