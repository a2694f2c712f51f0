/** A device's state moves from one server to another, by our client; and what is left of it where that fails. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, it } from "node:test";
import { Device } from "../device/device.ts";
import type { MigrationState } from "../device/migration/migration.ts";
import { moveState } from "../device/migration/move-state.ts";
import { HugebarError } from "../errors.ts";
import { linux } from "../system/libc.ts";
import { connectVfioUser } from "./client/client.ts";
import { CALLS_SIZE, MEMORY_SIZE } from "./server/moved-device.fixture.ts";
import { servedSocket } from "./server/served-socket.fixture.ts";
import type { WorkerServer } from "./server/apart/device-apart.ts";
import { serveInWorker } from "./server/serve-in-worker.ts";

const [sourceSocket, targetSocket] = [
  servedSocket("moved-device.fixture.ts"),
  servedSocket("moved-device.fixture.ts"),
];
const restingSocket = servedSocket("moved-device.fixture.ts", "at rest");
const plainSocket = servedSocket("device.fixture.ts");

let closing: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function connect(socket: string): Device {
  const device = new Device(connectVfioUser(socket), linux);
  closing.push(() => device.close());
  return device;
}

/** Connects to a device that is as new; `fails` is the function of its author's that fails. */
function fresh(socket: string, fails = "none"): Device {
  const device = connect(socket);
  device.region(1).write(0, Buffer.from(fails));
  return device;
}

/** A device with a server of its own, which can end. */
async function ending(): Promise<{ device: Device; server: WorkerServer }> {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-"));
  closing.push(() => rmSync(folder, { recursive: true }));
  const socket = join(folder, "device.sock");
  const module = new URL("./server/moved-device.fixture.ts", import.meta.url);
  const server = await serveInWorker(module, { socket });
  closing.push(() => server.close());
  return { device: connect(socket), server };
}

function callsOf(device: Device): string[] {
  const text = new Uint8Array(CALLS_SIZE);
  device.region(1).read(0, text);
  return Buffer.from(text).toString().replaceAll("\0", "").split(",");
}

function memoryOf(device: Device): Uint8Array {
  const memory = new Uint8Array(MEMORY_SIZE);
  device.region(0).read(0, memory);
  return memory;
}

/** Writes what no other test has written, and returns all that is there. */
function fill(device: Device): Uint8Array {
  const memory = Uint8Array.from({ length: MEMORY_SIZE }, (_, at) => at * 31 + (at >> 8));
  device.region(0).write(0, memory);
  return memory;
}

const failed = (code: string) => (error: unknown) => error instanceof HugebarError && error.code === code;

describe("a device's state", () => {
  it("moves to another server, most of it while it runs", () => {
    const [source, target] = [fresh(sourceSocket), fresh(targetSocket)];
    const memory = fill(source);
    assert.equal(source.migration.preCopy, true);
    moveState(source, target);
    assert.deepEqual(memoryOf(target), memory);
    assert.deepEqual([source.migration.state, target.migration.state], ["stop", "running"]);
    assert.deepEqual(callsOf(source), ["preCopy", "stop", "save"]);
    assert.deepEqual(callsOf(target), ["stop", "load", "loaded", "start"]);
  });

  it("moves at rest where there is no other way, or the caller wants that", () => {
    for (const [socket, options] of [
      [restingSocket, {}],
      [sourceSocket, { preCopyBytes: 0 }],
    ] as const) {
      const [source, target] = [fresh(socket), fresh(targetSocket)];
      const memory = fill(source);
      assert.equal(source.migration.preCopy, socket === sourceSocket);
      moveState(source, target, options);
      assert.deepEqual(memoryOf(target), memory);
      assert.deepEqual(callsOf(source), ["stop", "save"]);
      target.close();
    }
  });

  it("moves with what was written meanwhile", () => {
    const [source, target] = [fresh(sourceSocket), fresh(targetSocket)];
    const memory = fill(source);
    const piece = new Uint8Array(2 ** 20);
    target.migration.setState("resuming");
    const pump = (): number => {
      const count = source.migration.read(piece);
      target.migration.write(piece.subarray(0, count));
      return count;
    };
    source.migration.setState("pre-copy");
    assert.equal(pump(), 16 * (1 + 2 ** 12));
    assert.equal(pump(), 0, "nothing was written since");
    for (const offset of [5, 0x3000]) {
      const written = Uint8Array.of(offset & 0xff, 0xaa);
      source.region(0).write(offset, written);
      memory.set(written, offset);
      assert.equal(pump(), 1 + 2 ** 12);
    }
    source.region(0).write(0x8000, Uint8Array.of(1, 2, 3));
    memory.set([1, 2, 3], 0x8000);
    source.migration.setState("stop-copy");
    assert.equal(pump(), 1 + 2 ** 12);
    target.migration.setState("running");
    assert.deepEqual(memoryOf(target), memory);
  });

  it("is not to be moved where the author has not said how", () => {
    const device = connect(plainSocket);
    assert.throws(() => device.migration, failed("ERR_NOT_SUPPORTED"));
    device.region(0);
  });

  it("is taken to states of ours alone", () => {
    const device = fresh(restingSocket);
    // @ts-expect-error -- none of them
    assert.throws(() => device.migration.setState("error"), failed("ERR_ARGUMENT"));
    assert.throws(() => device.migration.setState("pre-copy"), failed("ERR_DEVICE"));
    assert.throws(() => device.migration.read(new Uint8Array(1)), failed("ERR_DEVICE"));
    assert.equal(device.migration.state, "running");
  });
});

describe("a move that fails", () => {
  const failures: readonly [string, "source" | "target"][] = [
    ["preCopy", "source"],
    ["stop", "source"],
    ["save", "source"],
    ["stop", "target"],
    ["load", "target"],
    ["loaded", "target"],
    ["start", "target"],
  ];
  for (const [fails, where] of failures) {
    it(`in the ${where}'s ${fails} leaves the source running with its state, and the target as new`, () => {
      const source = fresh(sourceSocket, where === "source" ? fails : "none");
      const target = fresh(targetSocket, where === "target" ? fails : "none");
      const memory = fill(source);
      assert.throws(() => moveState(source, target), failed("ERR_DEVICE"));
      assert.equal(source.migration.state, "running");
      assert.deepEqual(memoryOf(source), memory);
      assert.deepEqual(memoryOf(target), new Uint8Array(MEMORY_SIZE));
      const calls = callsOf(source);
      const stops =
        calls.filter((call) => call === "stop").length - (fails === "stop" && where === "source" ? 1 : 0);
      assert.equal(calls.filter((call) => call === "start").length, stops, String(calls));
    });
  }

  it("for the target's end leaves the source running with its state", async () => {
    const source = fresh(sourceSocket);
    const { device: target, server } = await ending();
    const memory = fill(source);
    void target.migration;
    await server.close();
    assert.throws(() => moveState(source, target), failed("ERR_DISCONNECTED"));
    assert.equal(source.migration.state, "running");
    assert.deepEqual(memoryOf(source), memory);
  });

  it("for the source's end leaves the target as new", async () => {
    const { device: source, server } = await ending();
    const target = fresh(targetSocket);
    void source.migration;
    await server.close();
    assert.throws(() => moveState(source, target), failed("ERR_DISCONNECTED"));
    assert.equal(target.migration.state, "running");
    assert.deepEqual(callsOf(target), ["stop", "load", "reset", "start"]);
  });
});

describe("a client that leaves in the middle of a move", () => {
  const steps: readonly [MigrationState, readonly string[]][] = [
    ["running", ["reset", "disconnected"]],
    ["pre-copy", ["preCopy", "reset", "disconnected"]],
    ["stop", ["stop", "reset", "start", "disconnected"]],
    ["stop-copy", ["stop", "save", "reset", "start", "disconnected"]],
    ["resuming", ["stop", "load", "reset", "start", "disconnected"]],
  ];
  for (const [state, calls] of steps) {
    it(`finds the device running when it comes again, from ${state}`, () => {
      const device = fresh(sourceSocket);
      fill(device);
      if (state !== "error") device.migration.setState(state);
      if (state === "resuming") device.migration.write(new Uint8Array(1000).fill(7));
      else if (state !== "running" && state !== "stop") device.migration.read(new Uint8Array(1000));
      device.close();
      const again = connect(sourceSocket);
      assert.equal(again.migration.state, "running");
      assert.deepEqual(callsOf(again), calls);
      assert.deepEqual(memoryOf(again), new Uint8Array(MEMORY_SIZE));
      again.migration.setState("stop-copy");
      assert.ok(again.migration.read(new Uint8Array(2 ** 20)) > 0, "and can move it again");
    });
  }
});
