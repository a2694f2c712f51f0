/** What one client, or one author, can make the server hold. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { EFD_CLOEXEC, MSG_DONTWAIT, MSG_NOSIGNAL, POLLIN } from "../../system/constants.ts";
import { openDescriptors } from "../../system/descriptors.fixture.ts";
import { linux } from "../../system/libc.ts";
import { SystemCallError } from "../../system/system.ts";
import {
  VFIO_USER_DEVICE_RESET,
  VFIO_USER_DMA_READ,
  VFIO_USER_HEADER,
  VFIO_USER_REGION_ACCESS,
  VFIO_USER_REGION_READ,
  VFIO_USER_REGION_WRITE,
  VFIO_USER_VERSION,
} from "../wire/protocol.ts";
import { encodeMessage, versionPayload } from "../wire/raw-peer.fixture.ts";
import { ClientQuestions, MOST_QUESTIONS } from "./link/client-questions.ts";
import { ownThread, type PatientPeer } from "./own-thread.fixture.ts";

const { errors, start, connect, negotiate, pair } = ownThread();

describe("the server's questions", () => {
  it("are open in a limited number, and those above wait, be they more than there are message numbers", async () => {
    const sent = new Set<number>();
    const questions = new ClientQuestions({
      send: (message) => void sent.add(VFIO_USER_HEADER.decode(message).msg_id),
      full: () => false,
      onTimeout: () => assert.fail(),
    });
    const payload = (): Uint8Array => new Uint8Array(0);
    const asked: Promise<unknown>[] = [];
    for (let time = 0; time < 66_000; time += 1)
      asked.push(questions.ask("read", VFIO_USER_DMA_READ, payload));
    assert.equal(sent.size, MOST_QUESTIONS);
    const [id = 0] = sent;
    const reply = { id, command: VFIO_USER_DMA_READ, flags: 1, errno: 0, payload: payload() };
    const rest = { descriptors: [], tooManyDescriptors: false, malformed: false };
    assert.ok(questions.takeReply({ ...reply, ...rest }));
    await asked[0];
    assert.equal(sent.size, MOST_QUESTIONS + 1, "the next one has its turn");
    questions.end();
    const ends = await Promise.allSettled(asked);
    assert.equal(ends.filter(({ status }) => status === "rejected").length, 65_999);
  });

  it("take no memory while they wait", async () => {
    start({ regions: [] });
    const [peer, client] = await pair();
    await peer.map(0, 256);
    const bytes = new Uint8Array(1 << 20);
    const before = process.memoryUsage().arrayBuffers;
    const writes = Promise.allSettled(Array.from({ length: 1000 }, () => client.dma.write(0n, bytes)));
    await sleep(20);
    const held = process.memoryUsage().arrayBuffers - before;
    assert.ok(held < 16 << 20, `${held} bytes for questions of 1000 MiB`);
    peer.close();
    await writes;
  });
});

/** A client whose request makes the server ask it, and what becomes of it. */
async function waiting(): Promise<[PatientPeer, Promise<string>]> {
  const end = Promise.withResolvers<string>();
  start({
    regions: [{ index: 0, size: 4096, read: (_, target, client) => client.dma.read(0n, target) }],
    disconnected: (error) => end.resolve(String(error)),
  });
  const [peer] = await pair();
  await peer.map(0, 1);
  const payload = VFIO_USER_REGION_ACCESS.encode({ offset: 0n, region: 0, count: 4 });
  peer.raw.send(encodeMessage({ command: VFIO_USER_REGION_READ, payload }));
  assert.ok(await peer.hears(1000));
  return [peer, end.promise];
}

describe("a client that never speaks", () => {
  it("is hung up on, and the next one is served", async (t) => {
    start({ regions: [] });
    (await negotiate()).close(); // what waits for sockets is there by now
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const silent = connect();
    const waits = connect();
    waits.raw.send(encodeMessage({ command: VFIO_USER_VERSION, payload: versionPayload() }));
    // Turns of the event loop in which the server accepts the first one, and then the second.
    for (const end = performance.now() + 300; performance.now() < end;) await nextTurn();
    assert.equal(linux.poll([{ fd: waits.raw.fd, events: POLLIN, revents: 0 }], 0), 0);
    t.mock.timers.tick(5000);
    t.mock.timers.reset();
    assert.equal(await silent.receive(), null);
    assert.equal((await waits.receive())?.errno, 0);
    assert.deepEqual(errors, []);
  });
});

describe("a client that passes descriptors along without end", () => {
  it("is hung up on when they come with one message, byte by byte", async () => {
    start({ regions: [] });
    const eventfd = linux.eventfd(0, EFD_CLOEXEC);
    const peer = await negotiate();
    const before = openDescriptors().length;
    const header = encodeMessage({ command: VFIO_USER_REGION_WRITE, size: 1 << 20 });
    peer.raw.send(header);
    let most = 0;
    for (let byte = 0; byte < 200; byte += 1) {
      try {
        peer.raw.send(new Uint8Array(1), Array<number>(16).fill(eventfd));
      } catch (error) {
        if (!(error instanceof SystemCallError)) throw error;
        break;
      }
      await sleep(1);
      most = Math.max(most, openDescriptors().length - before);
    }
    assert.ok(most <= 48, `${most} descriptors`);
    assert.equal(await peer.receive(), null);
    await sleep(5);
    assert.ok(openDescriptors().length < before);
    linux.close(eventfd);
  });

  it("is hung up on when they come with commands that are put aside", async () => {
    const eventfd = linux.eventfd(0, EFD_CLOEXEC);
    const [peer, ended] = await waiting();
    const before = openDescriptors().length;
    const command = encodeMessage({ command: VFIO_USER_DEVICE_RESET });
    for (let time = 0; time < 10; time += 1) peer.raw.send(command, Array<number>(16).fill(eventfd));
    assert.match(await ended, /it sends commands without end/);
    assert.ok(openDescriptors().length < before);
    assert.deepEqual(errors, []);
    linux.close(eventfd);
  });

  it("is hung up on when commands that are put aside are large", async () => {
    const [peer, ended] = await waiting();
    const large = encodeMessage({ command: VFIO_USER_REGION_WRITE, payload: new Uint8Array(1 << 20) });
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    let rest = large;
    for (let sent = 0; sent < 200 * large.length;) {
      try {
        const count = linux.send(peer.raw.fd, rest, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += count;
        rest = count === rest.length ? large : rest.subarray(count);
      } catch (error) {
        if (!(error instanceof SystemCallError) || error.code !== "EAGAIN") break; // the server has hung up
        await sleep(1);
      }
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }
    assert.match(await ended, /it sends commands without end/);
    assert.ok(most < 100 << 20, `${most} bytes held`);
  });
});
