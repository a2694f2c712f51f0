/** Hundreds of thousands of requests, then thousands of clients that come, map or lend, and go: neither end may keep anything of them. */

import assert from "node:assert/strict";
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { WaitingMemory } from "../../src/index.ts";
import type { BothEnds, Usage } from "./usage.ts";

/** How long it takes is not judged; this is for a machine that hangs. */
const timeout = 600_000;
const MIB = 2 ** 20;
/**
 * A heap that grows because nobody minds is no leak, so young garbage is collected early; and code that V8 takes away
 * from a busy heap would make room for a leak to hide in.
 */
const FLAGS = ["--max-semi-space-size=1", "--no-flush-bytecode"];

const folder = mkdtempSync(join(tmpdir(), "hugebar-soak-"));
const socket = join(folder, "device.sock");
let server: ChildProcess;

before(async () => {
  server = spawn(process.execPath, [...FLAGS, pathOf("device.ts"), socket], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  assert.ok(server.stdout !== null);
  await once(server.stdout, "data");
});
after(async () => {
  server.kill();
  await once(server, "exit");
  rmSync(folder, { recursive: true });
});

describe("client and server", () => {
  it("keep nothing of two hundred thousand requests", { timeout }, async () => {
    await soak("requests", 200_000);
  });

  it("keep nothing of ten thousand rounds of connecting, mapping and closing", { timeout }, async () => {
    await soak("rounds", 10_000);
  });

  it("keep nothing of five thousand rounds of lending memory and listening", { timeout }, async () => {
    await soak("loans", 5000);
  });

  it("keep nothing of twenty thousand rounds of map, transfer and unmap", { timeout }, async () => {
    await soak("transfers", 20_000);
  });
});

describe("closing memory that a job on another thread uses", () => {
  it("keeps nothing of a hundred thousand rounds of map, view, job, close", { timeout }, async () => {
    const times = 100_000;
    const args = [...FLAGS, pathOf("jobs.ts"), String(times)];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own process wrote it
    const { before, after, most, waiting } = JSON.parse(stdout) as JobsReport;
    assert.deepEqual(waiting, { ranges: 0, bytes: 0, keptRanges: 0, keptBytes: 0 });
    // The kernel's limit is 65,530 mappings; the collector is called when 4,096 wait.
    assert.ok(most < 10_000, `${most} ranges waited at once`);
    checkGrowth("process", before, after, times);
  });
});

interface JobsReport {
  readonly before: Usage;
  readonly after: Usage;
  readonly most: number;
  readonly waiting: WaitingMemory;
}

/**
 * The limits lie below one small object, one buffer or one mapping each time, and above what V8 and malloc do by
 * themselves: memory that was freed stays theirs for a while.
 */
async function soak(what: "requests" | "rounds" | "loans" | "transfers", times: number): Promise<void> {
  const client = [...FLAGS, pathOf("client.ts"), socket, what, String(times)];
  const { stdout } = await promisify(execFile)(process.execPath, client);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own client wrote it
  const { before, after } = JSON.parse(stdout) as { before: BothEnds; after: BothEnds };
  for (const side of ["client", "server"] as const) {
    checkGrowth(side, before[side], after[side], times);
  }
}

function checkGrowth(who: string, first: Usage, last: Usage, times: number): void {
  const both = `${who}: ${JSON.stringify(first)}, then ${JSON.stringify(last)}`;
  assert.equal(last.descriptors, first.descriptors, both);
  assert.ok(last.vmas - first.vmas < times / 20, both);
  assert.ok(last.heap - first.heap < MIB, both);
  assert.ok(last.native - first.native < 32 * MIB, both);
}

function pathOf(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}
