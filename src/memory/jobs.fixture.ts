/**
 * For tests: every interface of Node that goes on using a buffer after the call, while its memory is closed. Usage: `node
 * --expose-gc jobs.fixture.ts mapping|shared JOB`, or without a job to list them. It prints when the job ended and the
 * address space was given back, or ends by a signal, or by an exception that nobody can catch.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as crypto from "node:crypto";
import { createSocket } from "node:dgram";
import * as fs from "node:fs";
import * as http from "node:http";
import * as http2 from "node:http2";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { runInThisContext } from "node:vm";
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
import * as zlib from "node:zlib";
import { MemfdRegion } from "./memfd-region.fixture.ts";
import { isOneMapping } from "./own-mappings.ts";
import { SharedMemory } from "./shared-memory.ts";
import { waitingMemory } from "./waiting-memory.ts";

const SIZE = 2 ** 25;

/**
 * Starts a job on the bytes. Returns what ends when the job does, and how to let it end, where it waits for that; neither
 * may hold the bytes.
 */
type Job = (bytes: Uint8Array<ArrayBuffer>) => Started | Promise<Started>;
interface Started {
  readonly ended: Promise<unknown>;
  readonly go?: () => void;
}

/** A pipe of ours, both ends in one descriptor: what reads or writes it waits on a thread until we do the other. */
function pipe(): number {
  const path = join(fs.mkdtempSync(join(tmpdir(), "hugebar-jobs-")), "pipe");
  execFileSync("mkfifo", [path]);
  const fd = fs.openSync(path, "r+");
  fs.rmSync(join(path, ".."), { recursive: true });
  return fd;
}

function feed(fd: number): () => void {
  return () => fs.writeSync(fd, "12345678");
}

/** Reads what a job writes, all of it and no more: a read that waits would keep the process from ending. */
function drain(fd: number, size: number = SIZE): () => void {
  const target = Buffer.alloc(2 ** 20);
  let left = size;
  return function next() {
    if (left === 0) return;
    fs.read(fd, target, 0, Math.min(left, target.length), null, (error, count) => {
      left -= count;
      if (error === null) next();
    });
  };
}

/** The same descriptor as a FileHandle, which is never closed. */
async function handleOf(fd: number): Promise<fs.promises.FileHandle> {
  const handle = await fs.promises.open(`/proc/self/fd/${fd}`, "r+");
  Reflect.set(globalThis, "kept", handle);
  return handle;
}

/** A server that takes its client's bytes only when told to. */
async function slowServer(): Promise<{ port: number; go: () => void }> {
  let go: () => void = () => {};
  const told = new Promise<void>((resolve) => (go = resolve));
  const server = net.createServer({ pauseOnConnect: true }, (socket) => {
    socket.on("error", () => {});
    void told.then(() => socket.resume());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return { port: address.port, go };
}

/** A server whose client is told apart. */
async function talkingServer(): Promise<{ port: number; peer: Promise<net.Socket> }> {
  const server = net.createServer();
  const peer = new Promise<net.Socket>((resolve) => server.once("connection", resolve));
  return { port: await portOf(server), peer };
}

async function http2Server(): Promise<{ port: number; incoming: Promise<http2.Http2Stream> }> {
  const server = http2.createServer();
  const incoming = new Promise<http2.Http2Stream>((resolve) =>
    server.once("stream", (stream) => resolve(stream)),
  );
  return { port: await portOf(server), incoming };
}

async function portOf(server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return address.port;
}

const greet = (socket: net.Socket): unknown => socket.write("12345678");
const resume = (stream: http2.Http2Stream): unknown => stream.resume();

/** Functions of their own: what is made in a job would hold what the job holds. */
function whenThere<Other>(other: Promise<Other>, use: (other: Other) => unknown): () => void {
  return () => void other.then(use);
}

/** Results hold their buffer. */
const drop = (): void => {};
const done = (start: (callback: () => void) => void): Promise<void> =>
  new Promise((resolve) => start(resolve));

/** The types of Node have no WebAssembly. */
async function compile(bytes: Uint8Array): Promise<unknown> {
  const compiler: unknown = runInThisContext("(bytes) => WebAssembly.compile(bytes)");
  assert.ok(typeof compiler === "function");
  return await Reflect.apply(compiler, undefined, [bytes]);
}

const jobs: Record<string, Job> = {
  "fs.read"(bytes) {
    const fd = pipe();
    return { ended: done((end) => fs.read(fd, bytes, 0, 8, null, end)), go: feed(fd) };
  },
  "fs.readv"(bytes) {
    const fd = pipe();
    return { ended: done((end) => fs.readv(fd, [bytes], end)), go: feed(fd) };
  },
  "fs.write"(bytes) {
    const fd = pipe();
    return { ended: done((end) => fs.write(fd, bytes, end)), go: drain(fd) };
  },
  "fs.writev"(bytes) {
    const fd = pipe();
    return { ended: done((end) => fs.writev(fd, [bytes], end)), go: drain(fd) };
  },
  "fs.writeFile"(bytes) {
    const fd = pipe();
    return { ended: done((end) => fs.writeFile(fd, bytes, end)), go: drain(fd) };
  },
  "fs.createWriteStream"(bytes) {
    const fd = pipe();
    const stream = fs.createWriteStream("", { fd });
    return { ended: done((end) => stream.write(bytes, end)), go: drain(fd) };
  },
  async "fs.promises read"(bytes) {
    const fd = pipe();
    return { ended: (await handleOf(fd)).read(bytes, 0, 8, null).then(drop), go: feed(fd) };
  },
  async "fs.promises readv"(bytes) {
    const fd = pipe();
    return { ended: (await handleOf(fd)).readv([bytes]).then(drop), go: feed(fd) };
  },
  async "fs.promises write"(bytes) {
    const fd = pipe();
    return { ended: (await handleOf(fd)).write(bytes).then(drop), go: drain(fd) };
  },
  async "fs.promises writev"(bytes) {
    const fd = pipe();
    return { ended: (await handleOf(fd)).writev([bytes]).then(drop), go: drain(fd) };
  },
  async "fs.promises writeFile, aborted"(bytes) {
    const fd = pipe();
    const abort = new AbortController();
    const written = (await handleOf(fd)).writeFile(bytes, { signal: abort.signal });
    await nextTurn();
    abort.abort();
    // It writes half a MiB at a time, and looks in between.
    return { ended: written.catch(() => {}), go: drain(fd, 2 ** 19) };
  },
  "zlib.deflate": (bytes) => ({ ended: promisify(zlib.deflate)(bytes) }),
  "zlib.gzip": (bytes) => ({ ended: promisify(zlib.gzip)(bytes, { level: 9 }) }),
  "zlib.brotliCompress": (bytes) => {
    const params = { [zlib.constants.BROTLI_PARAM_QUALITY]: 5 };
    return { ended: promisify(zlib.brotliCompress)(bytes, { params }) };
  },
  "zlib stream, destroyed"(bytes) {
    const stream = zlib.createDeflate();
    stream.on("error", () => {}).write(bytes);
    setImmediate(() => stream.destroy());
    return { ended: sleep(50) };
  },
  CompressionStream(bytes) {
    const { readable, writable } = new CompressionStream("gzip");
    const writer = writable.getWriter();
    void writer.write(bytes);
    void writer.close();
    return { ended: new Response(readable).arrayBuffer() };
  },
  "crypto.randomFill": (bytes) => ({ ended: done((end) => crypto.randomFill(bytes, end)) }),
  "crypto.sign": (bytes) => {
    const { privateKey } = crypto.generateKeyPairSync("ed25519");
    return { ended: done((end) => crypto.sign(null, bytes, privateKey, end)) };
  },
  "crypto.scrypt": (bytes) => ({
    ended: done((end) => crypto.scrypt(bytes, bytes.subarray(0, 64), 64, end)),
  }),
  "subtle.digest": (bytes) => ({ ended: crypto.subtle.digest("SHA-512", bytes) }),
  async "subtle.encrypt"(bytes) {
    const algorithm = { name: "AES-CBC", length: 256, iv: new Uint8Array(16) };
    const key = await crypto.subtle.generateKey(algorithm, false, ["encrypt"]);
    return { ended: crypto.subtle.encrypt(algorithm, key, bytes) };
  },
  async "subtle.sign"(bytes) {
    const key = await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-512" }, false, ["sign"]);
    return { ended: crypto.subtle.sign("HMAC", key, bytes) };
  },
  async "socket write"(bytes) {
    const { port, go } = await slowServer();
    const socket = net.connect(port, "127.0.0.1");
    return { ended: done((end) => socket.write(bytes, end)), go };
  },
  async "socket write, several"(bytes) {
    const { port, go } = await slowServer();
    const socket = net.connect(port, "127.0.0.1");
    socket.cork();
    socket.write("first");
    const ended = done((end) => socket.write(bytes, end));
    socket.uncork();
    return { ended, go };
  },
  async "socket write, destroyed"(bytes) {
    const { port } = await slowServer();
    const socket = net.connect(port, "127.0.0.1");
    socket.on("error", () => {}).write(bytes);
    await sleep(20);
    return { ended: sleep(50), go: () => socket.destroy() };
  },
  async "socket read into it"(bytes) {
    const { port, peer } = await talkingServer();
    let came: () => void = () => {};
    const ended = new Promise<void>((resolve) => (came = resolve));
    const onread = {
      buffer: bytes,
      callback(): boolean {
        came();
        socket.destroy();
        return true;
      },
    };
    const socket = net.connect({ port, host: "127.0.0.1", onread });
    return { ended, go: whenThere(peer, greet) };
  },
  async datagram(bytes) {
    const socket = createSocket("udp4");
    return {
      ended: done((end) =>
        socket.send(bytes.subarray(0, 60_000), 9, "127.0.0.1", () => (socket.close(), end())),
      ),
    };
  },
  async "HTTP request"(bytes) {
    const { port, go } = await slowServer();
    const request = http.request({ port, host: "127.0.0.1", method: "POST" });
    const ended = done((end) => request.on("error", () => {}).write(bytes, () => end()));
    return { ended: ended.then(() => void request.destroy()), go };
  },
  async "HTTP/2 request"(bytes) {
    const { port, incoming } = await http2Server();
    const session = http2.connect(`http://127.0.0.1:${port}`);
    const request = session.request({ ":method": "POST" });
    const ended = done((end) => request.end(bytes, () => end())).then(() => session.destroy());
    return { ended, go: whenThere(incoming, resume) };
  },
  Blob: (bytes) => ({ ended: new Blob([bytes]).arrayBuffer() }),
  "postMessage, a copy"(bytes) {
    const { port1, port2 } = new MessageChannel();
    port1.postMessage(bytes.subarray(0, 1000));
    // A message is a whole buffer, so this one is as large as the memory.
    return {
      ended: sleep(1)
        .then(() => receiveMessageOnPort(port2))
        .finally(() => port1.close()),
    };
  },
  "postMessage, with transfer"(bytes) {
    const { port1 } = new MessageChannel();
    assert.throws(() => port1.postMessage(bytes, [bytes.buffer]), { name: "DataCloneError" });
    port1.close();
    return { ended: Promise.resolve() };
  },
  "WebAssembly.compile": (bytes) => ({ ended: compile(bytes).catch(() => {}) }),
};

const [, , owner, name] = process.argv;
if (name === undefined) {
  process.stdout.write(Object.keys(jobs).join("\n"));
} else {
  await run(owner === "shared" ? openShared() : openMapping(), jobs[name]);
}

interface Memory {
  readonly address: bigint;
  bytes(): Uint8Array<ArrayBuffer>;
  close(): void;
}

function openShared(): Memory {
  const memory = new SharedMemory(SIZE);
  const { address } = memory;
  return { address, bytes: () => memory.bytes(0, SIZE), close: () => memory.close() };
}

function openMapping(): Memory {
  const region = new MemfdRegion(SIZE);
  const bytes = (): Uint8Array<ArrayBuffer> => {
    const view = region.memory.view(0, SIZE);
    assert.ok(view !== null);
    return new Uint8Array(view);
  };
  return { address: region.address, bytes, close: () => region.close() };
}

async function run(memory: Memory, job: Job | undefined): Promise<void> {
  assert.ok(job !== undefined, "no such job");
  const start = async (): Promise<Started> => await job(memory.bytes());
  const { ended, go } = await start();
  await nextTurn();
  memory.close();
  assert.equal(waitingMemory().bytes, SIZE);
  for (let turn = 0; turn < 5; turn += 1) await collect();
  go?.();
  await ended;
  for (let turn = 0; turn < 200 && waitingMemory().ranges > 0; turn += 1) await collect();
  assert.deepEqual({ ...waitingMemory() }, { ranges: 0, bytes: 0, keptRanges: 0, keptBytes: 0 });
  assert.equal(isOneMapping(memory.address, memory.address + BigInt(SIZE)), false);
  process.stdout.write("given back\n");
  process.exit();
}

async function collect(): Promise<void> {
  globalThis.gc?.();
  await sleep(2);
}
