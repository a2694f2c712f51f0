import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readlinkSync } from "node:fs";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import * as v from "valibot";
import { servedSocket } from "./vfio-user/server/served-socket.fixture.ts";

const Held = v.object({ files: v.number(), mappings: v.number() });
const Report = v.object({
  before: Held,
  after: Held,
  kept: v.object({ warnings: v.number(), first: v.number(), mappings: v.number() }),
  warnings: v.array(v.string()),
});

const Ended = v.object({
  end: v.string(),
  during: v.number(),
  left: v.number(),
  warnings: v.array(v.string()),
});

const socket = servedSocket("device.fixture.ts");
const run = promisify(execFile);

function sockets(): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith("socket:");
    } catch {
      return false;
    }
  }).length;
}

describe("a device that nobody closes", () => {
  it("gives its files and mappings back when it is collected, and says where it was opened", async () => {
    const fixture = fileURLToPath(new URL("./forgotten-device.fixture.ts", import.meta.url));
    const { stdout } = await run(process.execPath, ["--expose-gc", fixture, `vfio-user:${socket}`]);
    const { before, kept, after, warnings } = v.parse(Report, JSON.parse(stdout));
    assert.deepEqual(kept, { warnings: 1, first: 7, mappings: 2 }, "a view keeps its device");
    assert.deepEqual(after, before);
    for (const warning of warnings) {
      assert.match(
        warning,
        /^Device vfio-user:\S+ was garbage collected before close\(\); it was opened at \w+ \(file:\/\/\S+forgotten-device\.fixture\.ts:\d+:\d+\)$/,
      );
    }
  });

  it("gives its socket back when its worker is terminated", async () => {
    const before = sockets();
    const worker = new Worker(
      `import("${new URL("./index.ts", import.meta.url).href}").then(({ openDevice }) => {
        globalThis.device = openDevice("vfio-user:${socket}");
        require("node:worker_threads").parentPort.postMessage("open");
        setInterval(() => {}, 1000);
      });`,
      { eval: true },
    );
    await new Promise((resolve) => void worker.once("message", resolve));
    assert.ok(sockets() > before);
    await worker.terminate();
    while (sockets() > before) await sleep(5);
  });

  it("gives its mappings back when its worker ends in any way, and says where it was opened", async () => {
    const fixture = fileURLToPath(new URL("./ended-worker.fixture.ts", import.meta.url));
    const { stdout } = await run(process.execPath, [fixture, `vfio-user:${socket}`]);
    const found = v.parse(v.array(Ended), JSON.parse(stdout));
    assert.deepEqual(
      found.map(({ warnings, ...rest }) => ({ ...rest, warned: warnings.length })),
      [
        { end: "terminated", during: 2, left: 0, warned: 1 },
        { end: "exits", during: 2, left: 0, warned: 1 },
        { end: "closes", during: 2, left: 0, warned: 0 },
        { end: "terminated in a job", during: 2, left: 0, warned: 1 },
        { end: "mapping closed, terminated", during: 0, left: 0, warned: 1 },
      ],
    );
    for (const warning of found.flatMap(({ warnings }) => warnings)) {
      assert.match(
        warning,
        /^Device vfio-user:\S+ was not closed when its worker ended; it was opened at work \(file:\/\/\S+ended-worker\.fixture\.ts:\d+:\d+\)$/,
      );
    }
  });
});
