/** For `jobs.fixture.ts`: the other ends of jobs, which wait for them. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as http2 from "node:http2";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tls from "node:tls";

/** A pipe of ours, both ends in one descriptor: what reads or writes it waits on a thread until we do the other. */
export function pipe(): number {
  const path = join(fs.mkdtempSync(join(tmpdir(), "hugebar-jobs-")), "pipe");
  execFileSync("mkfifo", [path]);
  const fd = fs.openSync(path, "r+");
  fs.rmSync(join(path, ".."), { recursive: true });
  return fd;
}

export function feed(fd: number): () => void {
  return () => fs.writeSync(fd, "12345678");
}

/** Reads what a job writes, all of it and no more: a read that waits would keep the process from ending. */
export function drain(fd: number, size: number): () => void {
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
export async function handleOf(fd: number): Promise<fs.promises.FileHandle> {
  const handle = await fs.promises.open(`/proc/self/fd/${fd}`, "r+");
  Reflect.set(globalThis, "kept", handle);
  return handle;
}

/** A server that takes its client's bytes only when told to. */
export async function slowServer(): Promise<{ port: number; go: () => void }> {
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
export async function talkingServer(): Promise<{ port: number; peer: Promise<net.Socket> }> {
  const server = net.createServer();
  const peer = new Promise<net.Socket>((resolve) => server.once("connection", resolve));
  return { port: await portOf(server), peer };
}

export async function http2Server(): Promise<{ port: number; incoming: Promise<http2.Http2Stream> }> {
  const server = http2.createServer();
  const incoming = new Promise<http2.Http2Stream>((resolve) =>
    server.once("stream", (stream) => resolve(stream)),
  );
  return { port: await portOf(server), incoming };
}

export async function portOf(server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return address.port;
}

export const greet = (socket: net.Socket): unknown => socket.write("12345678");
export const resume = (stream: http2.Http2Stream): unknown => stream.resume();

/** A key that both ends know, so that no certificate is needed. */
const SHARED_KEY = {
  ciphers: "PSK",
  maxVersion: "TLSv1.2",
} as const;
const psk = Buffer.alloc(32, 7);

/** A TLS server that takes its client's bytes only when told to, and a client of it. */
export async function slowTls(): Promise<{ client: tls.TLSSocket; go: () => void }> {
  let go: () => void = () => {};
  const told = new Promise<void>((resolve) => (go = resolve));
  const server = tls.createServer({ ...SHARED_KEY, pskCallback: () => psk }, (socket) => {
    socket.on("error", () => {});
    void told.then(() => socket.resume());
  });
  const port = await portOf(server);
  const pskCallback = (): tls.PSKCallbackNegotation => ({ psk, identity: "job" });
  const identity = { checkServerIdentity: () => undefined, pskCallback };
  const client = tls.connect({ ...SHARED_KEY, ...identity, port, host: "127.0.0.1" });
  await once(client, "secureConnect");
  return { client, go };
}
