/** Devices in threads and processes of their own: one that hangs or dies takes no other with it. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openDescriptors } from "../system/descriptors.fixture.ts";
import { connectVfioUser } from "./client/client.ts";
import type { WorkerServer } from "./server/apart/device-apart.ts";
import { BLOCK, CHATTER, EXIT, LOOP, PID, THROW, WAIT } from "./server/hanging-device.fixture.ts";
import { serveInProcess } from "./server/serve-in-process.ts";
import { serveInWorker, type ServeInWorkerOptions } from "./server/serve-in-worker.ts";
import { VFIO_USER_REGION_ACCESS, VFIO_USER_REGION_WRITE } from "./wire/protocol.ts";
import { encodeMessage, RawPeer } from "./wire/raw-peer.fixture.ts";

const FIXTURE = new URL("./server/hanging-device.fixture.ts", import.meta.url);
const folder = mkdtempSync(join(tmpdir(), "hugebar-"));
process.once("exit", () => rmSync(folder, { recursive: true }));

const servers: WorkerServer[] = [];
const peers: RawPeer[] = [];
afterEach(async () => {
  for (const peer of peers.splice(0)) peer.close();
  for (const server of servers.splice(0)) await server.terminate();
});

type Serve = (module: URL, options: ServeInWorkerOptions) => Promise<WorkerServer>;

async function start(serve: Serve, name: string, hangMilliseconds?: number): Promise<WorkerServer> {
  const socket = join(folder, `${name}.sock`);
  const server = await serve(FIXTURE, {
    socket,
    ...(hangMilliseconds === undefined ? {} : { hangMilliseconds }),
  });
  servers.push(server);
  return server;
}

/** Writes without waiting for an answer. */
function poke(server: WorkerServer, offset: number): RawPeer {
  const peer = RawPeer.negotiated(server.path);
  peers.push(peer);
  const access = VFIO_USER_REGION_ACCESS.encode({ offset: BigInt(offset), region: 0, count: 4 });
  const payload = Buffer.concat([access, new Uint8Array(4)]);
  peer.send(encodeMessage({ command: VFIO_USER_REGION_WRITE, payload }));
  return peer;
}

/** Which process answers. */
function pidOf(server: WorkerServer): number {
  const client = connectVfioUser(server.path);
  const bytes = new Uint8Array(4);
  client.read(0, PID, bytes);
  client.close();
  return new DataView(bytes.buffer).getUint32(0, true);
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Until the other side hangs up, however long it takes. */
async function hangUp(peer: RawPeer): Promise<void> {
  for (;;) {
    try {
      assert.equal(peer.receive(), null);
      return;
    } catch (error) {
      if (!(error instanceof Error) || error.message !== "silence") throw error;
      await sleep(1);
    }
  }
}

for (const [kind, serve] of [
  ["thread", serveInWorker],
  ["process", serveInProcess],
] as const) {
  describe(`a device in a ${kind} of its own`, () => {
    it(`answers from there, and leaves nothing behind`, async () => {
      const descriptors = openDescriptors();
      const server = await start(serve, kind);
      assert.equal(pidOf(server) === process.pid, kind === "thread");
      await Promise.all([server.close(), server.close()]);
      await server.ended;
      assert.ok(!isThere(server.path));
      assert.deepEqual(openDescriptors(), descriptors);
      await server.terminate();
    });

    for (const [how, offset] of [
      ["in an endless loop", LOOP],
      ["in a wait without end", WAIT],
    ] as const) {
      it(`is ended when it hangs ${how}, while another one answers`, async () => {
        const other = await start(serve, `${kind}-other`);
        const hanging = await start(serve, `${kind}-hanging`, 500);
        const peer = poke(hanging, offset);
        assert.ok(pidOf(other) > 0);
        await assert.rejects(hanging.ended, {
          code: "ERR_TIMEOUT",
          message: `Cannot serve ${hanging.path} in a ${kind}: its event loop has stood still for 500 ms`,
        });
        await hangUp(peer);
        assert.ok(!isThere(hanging.path));
        await assert.rejects(hanging.close(), { code: "ERR_TIMEOUT" });
        assert.ok(pidOf(other) > 0);
        await other.close();
        const again = await start(serve, `${kind}-hanging`);
        assert.ok(pidOf(again) > 0);
        await again.close();
      });
    }

    it("is ended by terminate() wherever it is, and its clients are hung up on", async () => {
      const descriptors = openDescriptors();
      const server = await start(serve, `${kind}-terminated`);
      const peer = poke(server, LOOP);
      await server.terminate();
      await hangUp(peer);
      peer.close();
      assert.ok(!isThere(server.path));
      await assert.rejects(server.ended, { code: "ERR_DISCONNECTED", message: /: it was terminated$/ });
      if (kind === "process") assert.deepEqual(openDescriptors(), descriptors);
    });

    it("tells what else has ended it", async () => {
      const thrower = await start(serve, `${kind}-thrower`);
      const leaver = await start(serve, `${kind}-leaver`);
      const [first, second] = [poke(thrower, THROW), poke(leaver, EXIT)];
      await assert.rejects(
        thrower.ended,
        kind === "thread" ? RangeError : { code: "ERR_DISCONNECTED", message: /with exit code 1$/ },
      );
      await assert.rejects(leaver.ended, { code: "ERR_DISCONNECTED", message: /it ended by itself/ });
      first.receive();
      await hangUp(first);
      await hangUp(second);
      assert.ok(!isThere(thrower.path) && !isThere(leaver.path));
      await assert.rejects(leaver.close(), { code: "ERR_DISCONNECTED" });
    });

    it("is not taken for hanging where its host stands still", async () => {
      const server = await start(serve, `${kind}-patient`, 300);
      for (const _ of [1, 2, 3]) {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
        await sleep(1);
      }
      assert.ok(pidOf(server) > 0);
      await server.close();
    });

    it("may say to its host what it likes, and be one of many", async () => {
      const listeners = process.listenerCount("exit");
      const many = await Promise.all([1, 2, 3].map((number) => start(serve, `${kind}-${number}`)));
      assert.ok(process.listenerCount("exit") <= listeners + 1);
      for (const server of many) {
        const peer = poke(server, CHATTER);
        assert.equal(peer.receive()?.errno, 0);
        peer.close();
        assert.ok(pidOf(server) > 0);
        await server.close();
      }
      assert.equal(process.listenerCount("exit"), listeners);
    });

    it("throws what keeps it from being served, and refuses what cannot be copied", async () => {
      const options = { socket: join(folder, "refused.sock") };
      await assert.rejects(serve(new URL("./nothing.ts", FIXTURE), options), /Cannot find module/);
      const noServe = new URL("../wire/protocol.ts", FIXTURE);
      await assert.rejects(serve(noServe, options), { code: "ERR_ARGUMENT" });
      const taken = await start(serve, `${kind}-taken`);
      await assert.rejects(serve(FIXTURE, { socket: taken.path }), { code: "ERR_BUSY" });
      assert.ok(pidOf(taken) > 0);
      for (const data of [Symbol("wrong"), () => 1])
        await assert.rejects(serve(FIXTURE, { ...options, data }), { code: "ERR_ARGUMENT" });
      for (const hangMilliseconds of [0, -1, 0.5, NaN, 2 ** 31])
        await assert.rejects(serve(FIXTURE, { ...options, hangMilliseconds }), { code: "ERR_ARGUMENT" });
    });
  });
}

describe("a device that waits in a system call", () => {
  const fifo = join(folder, "fifo");
  spawnSync("mkfifo", [fifo]);

  it("is told from others where it is in a thread, which nobody can end", async () => {
    const socket = join(folder, "blocked.sock");
    const server = await serveInWorker(FIXTURE, { socket, data: fifo, hangMilliseconds: 100 });
    poke(server, BLOCK);
    await assert.rejects(server.ended, { code: "ERR_TIMEOUT", message: /has stood still for 100 ms$/ });
    assert.ok(!isThere(socket));
    await assert.rejects(server.terminate(), { code: "ERR_TIMEOUT", message: /cannot be ended$/ });
    // What it waits for: the thread goes on to its end.
    closeSync(openSync(fifo, "w"));
  });

  it("is ended where it is in a process", async () => {
    const socket = join(folder, "blocked-process.sock");
    const server = await serveInProcess(FIXTURE, { socket, data: fifo });
    const peer = poke(server, BLOCK);
    await server.terminate();
    await hangUp(peer);
    assert.ok(!isThere(socket));
  });
});

describe("a device's process", () => {
  it("may be none that can be started", async (t) => {
    const { execPath } = process;
    t.after(() => {
      process.execPath = execPath;
    });
    process.execPath = "/nowhere/node";
    await assert.rejects(serveInProcess(FIXTURE, { socket: join(folder, "none.sock") }), {
      code: "ERR_SYSTEM",
      message: /^Cannot start a process for a device: /,
    });
  });

  const script = `
    const { serveInProcess } = await import(${JSON.stringify(new URL("./server/serve-in-process.ts", import.meta.url).href)});
    const [socket, end] = process.argv.slice(1);
    const server = await serveInProcess(new URL(${JSON.stringify(FIXTURE.href)}), { socket });
    console.log(server.pid);
    if (end === "exit") process.exit(3);`;

  it("closes before its host exits, and takes the socket's file along", () => {
    const socket = join(folder, "exit.sock");
    const words = ["--input-type=module", "-e", script, socket, "exit"];
    const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: "utf8" });
    assert.equal(status, 3, stderr);
    assert.ok(!isThere(socket) && !isAlive(Number(stdout)));
  });

  it("closes when its host is killed", async () => {
    const socket = join(folder, "killed.sock");
    const words = ["--input-type=module", "-e", script, socket, "stay"];
    const host = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
    const pid = await new Promise<number>((resolve) => {
      host.stdout.setEncoding("utf8").once("data", (line: string) => resolve(Number(line)));
    });
    host.kill("SIGKILL");
    await once(host, "exit");
    while (isAlive(pid) || isThere(socket)) await sleep(1);
  });
});

function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}
