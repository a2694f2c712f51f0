/** For `jobs.fixture.ts`: the interfaces of Node that go on using a buffer after the call. */

import assert from "node:assert/strict";
import * as crypto from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import * as fs from "node:fs";
import * as http from "node:http";
import * as http2 from "node:http2";
import * as net from "node:net";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { runInThisContext } from "node:vm";
import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
import * as zlib from "node:zlib";
import {
  drain,
  feed,
  greet,
  handleOf,
  http2Server,
  pipe,
  resume,
  slowServer,
  slowTls,
  talkingServer,
} from "./job-peers.fixture.ts";

/** Bytes of the memory. */
export const SIZE = 2 ** 25;

/**
 * Starts a job on the bytes. Returns what ends when the job does, and how to let it end, where it waits for that; neither
 * may hold the bytes.
 */
export type Job = (bytes: Uint8Array<ArrayBuffer>) => Started | Promise<Started>;
export interface Started {
  readonly ended: Promise<unknown>;
  readonly go?: () => void;
}

/** Functions of their own: what is made in a job would hold what the job holds. */
function whenThere<Other>(other: Promise<Other>, use: (other: Other) => unknown): () => void {
  return () => void other.then(use);
}

/** Results hold their buffer. */
const drop = (): void => {};
const done = (start: (callback: () => void) => void): Promise<void> =>
  new Promise((resolve) => start(resolve));

/** Decodes what it is sent, and answers how many characters that is. */
function decoder(): Worker {
  const code = `
    const { parentPort } = require("node:worker_threads");
    parentPort.once("message", (bytes) => parentPort.postMessage(new TextDecoder("latin1").decode(bytes).length));
  `;
  return new Worker(code, { eval: true });
}

async function lengthOf(texts: ReadableStream<string>): Promise<number> {
  let length = 0;
  for await (const text of texts) length += text.length;
  return length;
}

/** The types of Node have no WebAssembly. */
async function compile(bytes: Uint8Array): Promise<unknown> {
  const compiler: unknown = runInThisContext("(bytes) => WebAssembly.compile(bytes)");
  assert.ok(typeof compiler === "function");
  return await Reflect.apply(compiler, undefined, [bytes]);
}

export const jobs: Record<string, Job> = {
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
    return { ended: done((end) => fs.write(fd, bytes, end)), go: drain(fd, SIZE) };
  },
  "fs.writev"(bytes) {
    const fd = pipe();
    return { ended: done((end) => fs.writev(fd, [bytes], end)), go: drain(fd, SIZE) };
  },
  "fs.writeFile"(bytes) {
    const fd = pipe();
    return { ended: done((end) => fs.writeFile(fd, bytes, end)), go: drain(fd, SIZE) };
  },
  "fs.createWriteStream"(bytes) {
    const fd = pipe();
    const stream = fs.createWriteStream("", { fd });
    return { ended: done((end) => stream.write(bytes, end)), go: drain(fd, SIZE) };
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
    return { ended: (await handleOf(fd)).write(bytes).then(drop), go: drain(fd, SIZE) };
  },
  async "fs.promises writev"(bytes) {
    const fd = pipe();
    return { ended: (await handleOf(fd)).writev([bytes]).then(drop), go: drain(fd, SIZE) };
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
  async "TLS socket write"(bytes) {
    const { client, go } = await slowTls();
    return { ended: done((end) => client.write(bytes, () => (client.destroy(), end()))), go };
  },
  async "TLS socket write, destroyed"(bytes) {
    const { client } = await slowTls();
    client.on("error", () => {}).write(bytes);
    await sleep(20);
    return { ended: sleep(50), go: () => client.destroy() };
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
  /** It gets a copy: what is not this thread's memory cannot be moved to another. */
  async "TextDecoder in a worker"(bytes) {
    const worker = decoder();
    await once(worker, "online");
    worker.postMessage(bytes);
    return { ended: once(worker, "message").then(([length]) => assert.equal(length, SIZE)) };
  },
  TextDecoderStream(bytes) {
    const { readable, writable } = new TextDecoderStream("latin1");
    const writer = writable.getWriter();
    void writer.write(bytes);
    void writer.close();
    return { ended: lengthOf(readable).then((length) => assert.equal(length, SIZE)) };
  },
  "WebAssembly.compile": (bytes) => ({ ended: compile(bytes).catch(() => {}) }),
};
