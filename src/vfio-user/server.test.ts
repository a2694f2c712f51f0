import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { openDescriptors } from "../system/descriptors.fixture.ts";
import { HugebarError } from "../errors.ts";
import type { Transport } from "../device/transport/transport.ts";
import { MAP_SHARED, PROT_READ, PROT_WRITE } from "../system/constants.ts";
import { linux } from "../system/libc.ts";
import { connectVfioUser } from "./client/client.ts";
import {
  AREAS,
  FAILING,
  MEMORY,
  MEMORY_SIZE,
  READ_ONLY,
  REGISTERS,
  SLOW_REGISTERS,
} from "./server/device.fixture.ts";
import { serveInWorker } from "./server/serve-in-worker.ts";
import { servedSocket } from "./server/served-socket.fixture.ts";

describe("a served device and its client", () => {
  const socket = servedSocket("device.fixture.ts");
  let client: Transport;
  before(() => {
    client = connectVfioUser(socket);
  });
  after(() => client.close());

  function bytes(index: number, offset: number, length: number): number[] {
    const target = new Uint8Array(length);
    client.read(index, offset, target);
    return [...target];
  }

  it("describes a PCI device with nine regions", () => {
    assert.deepEqual(client.info(), { flags: 3, regionCount: 9, irqCount: 5 });
    assert.equal(client.regionInfo(8).size, 0);
    assert.throws(() => client.regionInfo(9), { code: "ERR_REGION_INDEX" });
    assert.throws(() => client.regionInfo(-1), { code: "ERR_REGION_INDEX" });
  });

  it("tells the areas in its author's order, and passes the memory's file along", () => {
    const { size, areas, flags, fd, fdOffset } = client.regionInfo(MEMORY);
    assert.deepEqual({ size, areas, fdOffset }, { size: MEMORY_SIZE, areas: AREAS, fdOffset: 0 });
    assert.equal(flags, 0xf);
    assert.ok(fd !== null);
    client.prepareToMap(MEMORY);
    const address = linux.mmap(0n, 0x1000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0x20_0000);
    const mapped = new Uint8Array(linux.view(address, 0x1000));
    mapped.set([1, 2, 3, 4], 0x10);
    assert.deepEqual(bytes(MEMORY, 0x20_0010, 4), [1, 2, 3, 4], "messages see what was written by mapping");
    client.write(MEMORY, 0x20_0012, new Uint8Array([9]));
    assert.deepEqual([...mapped.subarray(0x10, 0x14)], [1, 2, 9, 4], "and the mapping what came by message");
    linux.detach(mapped.buffer);
    linux.munmap(address, 0x1000);
  });

  it("reads and writes registers, at once and later", () => {
    for (const index of [REGISTERS, SLOW_REGISTERS]) {
      client.write(index, 0xffc, new Uint8Array([4, 3, 2, 1]));
      assert.deepEqual(bytes(index, 0xffc, 4), [4, 3, 2, 1]);
    }
    client.reset();
    assert.deepEqual(bytes(REGISTERS, 0xffc, 4), [0, 0, 0, 0]);
    assert.deepEqual(bytes(SLOW_REGISTERS, 0xffc, 4), [4, 3, 2, 1], "reset is the author's to do");
  });

  it("moves megabytes, in transfers that the server takes", () => {
    const source = Uint8Array.from({ length: 5 << 20 }, (_, at) => (at * 7) >> 3);
    client.write(MEMORY, MEMORY_SIZE - source.length, source);
    const target = new Uint8Array(source.length);
    client.read(MEMORY, MEMORY_SIZE - source.length, target);
    assert.ok(Buffer.from(source).equals(target));
    client.read(MEMORY, 0, new Uint8Array(0));
  });

  it("answers errors, each as an errno, and goes on", () => {
    const four = new Uint8Array(4);
    const cases: [() => void, RegExp][] = [
      [
        () => client.read(FAILING, 0, four),
        /Cannot read 4 bytes at 0x0 of region 3 of vfio-user:.*answered EBUSY/,
      ],
      [() => client.read(FAILING, 4, four), /answered EIO/],
      [() => client.write(FAILING, 0, four), /answered ENOSPC/],
      [() => client.write(READ_ONLY, 0, four), /answered EINVAL/],
      [() => client.read(REGISTERS, 0xffd, four), /answered EINVAL/],
      [() => client.read(REGISTERS, 2 ** 52, four), /answered EINVAL/],
      [() => client.read(8, 0, four), /answered EINVAL/],
      [() => client.read(9, 0, four), /answered EINVAL/],
    ];
    for (const [access, message] of cases) {
      assert.throws(
        access,
        (error) =>
          error instanceof HugebarError && error.code === "ERR_DEVICE" && message.test(error.message),
      );
    }
    assert.deepEqual(bytes(READ_ONLY, 0, 2), [0xee, 0xee]);
  });

  it("serves the next client when one is done, and the device has been reset by then", () => {
    for (let round = 0; round < 50; round += 1) {
      client.write(REGISTERS, 0, new Uint8Array([42]));
      client.close();
      client = connectVfioUser(socket);
      assert.deepEqual(bytes(REGISTERS, 0, 1), [0]);
    }
  });

  it("lets a second client wait, which does not wait for its time limit", () => {
    assert.throws(() => connectVfioUser(socket, { timeoutMilliseconds: 3_600_000 }), {
      code: "ERR_BUSY",
      message: `Cannot open vfio-user:${socket}: its server is serving another client, and serves one at a time`,
    });
    assert.deepEqual(bytes(READ_ONLY, 0, 1), [0xee]);
  });
});

describe("serving in a worker", () => {
  const FIXTURE = new URL("./server/device.fixture.ts", import.meta.url);
  const folder = mkdtempSync(join(tmpdir(), "hugebar-"));
  after(() => rmSync(folder, { recursive: true }));

  it("leaves nothing behind: thread, descriptors, socket file", async () => {
    const socket = join(folder, "worker.sock");
    const threads = readdirSync("/proc/self/task").length;
    const descriptors = openDescriptors();
    const server = await serveInWorker(FIXTURE, { socket });
    assert.equal(statSync(socket).mode & 0o777, 0o600);
    const client = connectVfioUser(socket);
    client.regionInfo(MEMORY);
    await Promise.all([server.close(), server.close()]);
    assert.throws(() => client.reset(), { code: "ERR_DISCONNECTED" });
    client.close();
    assert.equal(statSync(socket, { throwIfNoEntry: false }), undefined);
    assert.equal(readdirSync("/proc/self/task").length, threads);
    assert.deepEqual(openDescriptors(), descriptors);
    assert.throws(() => connectVfioUser(socket), {
      code: "ERR_NO_DEVICE",
      message: /start its server first/,
    });
  });

  for (const [when, wait] of [
    ["while it starts", "setTimeout(exit, 30)"],
    ["as soon as it listens", "void server.then(exit)"],
    ["while a client uses it", "void server.then(() => (connect(), setTimeout(exit, 50)))"],
    ["while it closes", "void server.then((it) => (void it.close(), exit()))"],
  ] as const) {
    it(`lets a process exit ${when}, and takes the socket's file along`, () => {
      const socket = join(folder, "exit.sock");
      const script = `
        const { serveInWorker } = await import(${module("./server/serve-in-worker.ts")});
        const { connectVfioUser } = await import(${module("./client/client.ts")});
        const socket = process.argv[1];
        const server = serveInWorker(new URL(${module("./server/device.fixture.ts")}), { socket });
        const connect = () => connectVfioUser(socket).regionInfo(2);
        const exit = () => process.exit(3);
        ${wait};`;
      const run = spawnSync(process.execPath, ["--input-type=module", "-e", script, socket], {
        encoding: "utf8",
        timeout: 20_000,
        input: "",
      });
      assert.deepEqual([run.status, run.signal], [3, null], run.stderr);
      assert.equal(statSync(socket, { throwIfNoEntry: false }), undefined);
    });
  }

  it("throws what keeps the device from being served", async () => {
    const socket = join(folder, "failing.sock");
    await assert.rejects(serveInWorker(FIXTURE, { socket, data: "throw" }), /this device cannot be built/);
    await assert.rejects(serveInWorker(new URL("./nothing.ts", FIXTURE), { socket }), /Cannot find module/);
    await assert.rejects(serveInWorker(new URL("../wire/protocol.ts", FIXTURE), { socket }), {
      code: "ERR_ARGUMENT",
    });
    const taken = await serveInWorker(FIXTURE, { socket });
    await assert.rejects(serveInWorker(FIXTURE, { socket }), {
      code: "ERR_BUSY",
      message: /another server listens/,
    });
    await taken.close();
  });
});

/** A module's address as a script has it. */
function module(path: string): string {
  return JSON.stringify(new URL(path, import.meta.url).href);
}
