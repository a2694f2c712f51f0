/** What is under way in the client's memory when the client takes it away. */

import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, read, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { SharedMemory } from "../../../memory/shared-memory.ts";
import { EFD_CLOEXEC, MFD_CLOEXEC, SOCK_STREAM } from "../../../system/constants.ts";
import { linux } from "../../../system/libc.ts";
import {
  VFIO_USER_DMA_READ,
  VFIO_USER_DMA_REGION_ACCESS,
  VFIO_USER_DMA_UNMAP,
  VFIO_USER_F_TYPE_REPLY,
} from "../../wire/protocol.ts";
import { encodeMessage } from "../../wire/raw-peer.fixture.ts";
import { ownThread, type PatientPeer } from "../own-thread.fixture.ts";

const PAGE = 4096;
const { errors, start, pair } = ownThread();
const folder = mkdtempSync(join(tmpdir(), "hugebar-"));
after(() => rmSync(folder, { recursive: true }));
const device = { regions: [] };

/** A file that can shrink: it is reached by its descriptor. */
function shrinkable(pages: number): number {
  const fd = linux.memfd_create("in-flight", MFD_CLOEXEC);
  linux.ftruncate(fd, pages * PAGE);
  return fd;
}

/** Takes the server's question and answers it. */
async function answer(peer: PatientPeer): Promise<void> {
  const question = await peer.receive();
  assert.ok(question !== null);
  const { id, command } = question;
  const access = VFIO_USER_DMA_REGION_ACCESS.decode(question.payload);
  const length = command === VFIO_USER_DMA_READ ? Number(access.count) : 0;
  const payload = VFIO_USER_DMA_REGION_ACCESS.encode(access, length);
  peer.raw.send(encodeMessage({ id, command, flags: VFIO_USER_F_TYPE_REPLY, payload }));
}

/** The number that the next descriptor will have. */
function nextNumber(): number {
  const fd = linux.eventfd(0, EFD_CLOEXEC);
  linux.close(fd);
  return fd;
}

/** Opens files of the author's until one has this number, or a few more. */
function openAuthorsFile(number: number): { path: string; opened: number[] } {
  const path = join(folder, "author");
  writeFileSync(path, "author's own");
  const opened: number[] = [];
  while (!opened.includes(number) && opened.length < 64) opened.push(openSync(path, "r+"));
  return { path, opened };
}

describe("a client that unmaps memory", () => {
  it("gets its answer when a transfer that has begun there is done, and no file is written to but its own", async () => {
    start(device);
    const [peer, client] = await pair();
    const file = shrinkable(1);
    await peer.map(0, 1); // by messages
    const number = nextNumber();
    await peer.map(1, 1, file);
    const transfer = client.dma.write(0n, new Uint8Array(2 * PAGE).fill(7));
    assert.ok(await peer.hears(1000), "the server hands over the first page");
    peer.sendUnmap(1, 1);
    await sleep(20);
    // It gets the number of the client's file, if that was let go of.
    const { path, opened } = openAuthorsFile(number);
    await answer(peer);
    await transfer;
    assert.equal((await peer.receive())?.command, VFIO_USER_DMA_UNMAP);
    assert.equal(readFileSync(path, "utf8"), "author's own");
    const written = new Uint8Array(PAGE);
    linux.pread(file, written, 0);
    assert.ok(written.every((byte) => byte === 7));
    for (const fd of opened) closeSync(fd);
    linux.close(file);
  });

  it("gets no answer as long as a transfer by messages runs", async () => {
    start(device);
    const [peer, client] = await pair();
    await peer.map(0, 1);
    const transfer = client.dma.read(0n, new Uint8Array(8));
    assert.ok(await peer.hears(1000));
    peer.sendUnmap(0, 1);
    const question = await peer.receive();
    assert.equal(question?.command, VFIO_USER_DMA_READ);
    assert.equal(await peer.hears(50), false, "the answer waits");
    await assert.rejects(
      client.dma.read(0n, new Uint8Array(8)),
      { code: "ERR_ACCESS_RANGE" },
      "new ones fail",
    );
    const payload = VFIO_USER_DMA_REGION_ACCESS.encode({ addr: 0n, count: 8n }, 8);
    const { id } = question;
    peer.raw.send(encodeMessage({ id, command: VFIO_USER_DMA_READ, flags: VFIO_USER_F_TYPE_REPLY, payload }));
    await transfer;
    assert.equal((await peer.receive())?.command, VFIO_USER_DMA_UNMAP);
  });

  it("waits for leases, and the memory is there until they are released", async () => {
    start(device);
    const [peer, client] = await pair();
    const memory = new SharedMemory(2 * PAGE);
    await peer.map(0, 2, memory.fd);
    const lease = client.dma.view(8n, 16);
    peer.sendUnmap(0, 2);
    assert.equal(await peer.hears(50), false, "the answer waits");
    lease.bytes.fill(5);
    assert.equal(memory.bytes(8, 1)[0], 5);
    assert.throws(() => client.dma.view(8n, 16), { code: "ERR_ACCESS_RANGE" });
    lease.release();
    lease.release();
    assert.equal((await peer.receive())?.errno, 0);
    lease.bytes.fill(6);
    assert.equal(memory.bytes(8, 1)[0], 5, "it is the client's memory no longer");
    assert.deepEqual(errors, []);
    memory.close();
  });

  it("takes back by force what is not released in time, and input that is under way then harms nobody", async () => {
    start(device);
    const [peer, client] = await pair();
    const memory = new SharedMemory(2 * PAGE);
    await peer.map(0, 2, memory.fd);
    const lease = client.dma.view(0n, PAGE);
    // A read of another thread's, which ends when something comes: long after the memory was taken back.
    const [near, far] = linux.socketpair(SOCK_STREAM);
    const input = promisify(read)(near, lease.bytes, 0, 8, null);
    await nextTurn();
    peer.sendUnmap(0, 2);
    assert.equal((await peer.receive())?.errno, 0);
    lease.bytes.fill(3);
    assert.match(String(errors[0]), /wait for 1 lease of the client's memory/);
    // Whatever takes addresses that are free now.
    const others = Array.from({ length: 16 }, () => new SharedMemory(2 * PAGE));
    for (const other of others) other.bytes(0, 1);
    linux.write(far, new Uint8Array(8).fill(9));
    assert.equal((await input).bytesRead, 8);
    for (const each of [memory, ...others]) assert.ok(each.bytes(0, 8).every((byte) => byte === 0));
    lease.release();
    for (const each of [memory, ...others]) each.close();
    linux.close(near);
    linux.close(far);
  });

  it("gets its answer when the collector finds what was leaked", async () => {
    start(device);
    const [peer, client] = await pair();
    const memory = new SharedMemory(PAGE);
    await peer.map(0, 1, memory.fd);
    const leak = (): void => void client.dma.view(0n, 8).bytes.fill(1);
    leak();
    await nextTurn();
    peer.sendUnmap(0, 1);
    collectGarbage();
    assert.equal((await peer.receive())?.errno, 0);
    assert.deepEqual(errors, [], "nothing was taken by force");
    memory.close();
  });
});

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const gc: unknown = runInNewContext("gc");
  assert.ok(typeof gc === "function");
  Reflect.apply(gc, null, []);
}
