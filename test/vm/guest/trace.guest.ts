/** What `hugebar trace` counts, held against the kernel's own debug lines; and that it leaves nothing behind. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { before, describe, it, type TestContext } from "node:test";
import { text } from "node:stream/consumers";
import { setTimeout as wait } from "node:timers/promises";

import * as v from "valibot";

import { familySchema } from "../../../src/exporter/families.ts";
import { trace as traceFaults } from "../../../src/index.ts";
import { GIB } from "../../../src/layout/sizes.ts";
import {
  MADV_HUGEPAGE,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_NONE,
  PROT_READ,
} from "../../../src/system/constants.ts";
import { linux } from "../../../src/system/libc.ts";
import { openVfioDevice } from "../../../src/vfio/open-device.ts";
import { documentedKeys, keysOf } from "../../support/json-keys.ts";
import { kernelLog, setDynamicDebug, untilLinesAreFree } from "./kernel-log.ts";
import { largest, model, orderOf, pageSize, pmdSize } from "./paging.ts";
import { bindTo } from "./pci.ts";
import { setTransparentHugepage } from "./transparent-hugepage.ts";

const bdf = "0000:00:10.0";
const bar = 2;
const tracing = "/sys/kernel/tracing";
/** The largest order that is tried. */
const most = orderOf(largest);
const fellBackFromPmd = `${orderOf(pmdSize)} 0x800`;

/** A fault of an order and what came of it, `9 0x800`, and how often. */
type Tally = Record<string, number>;

const traceJson = v.object({
  lost: v.number(),
  faults: v.array(
    v.object({
      pid: v.number(),
      device: v.string(),
      region: v.number(),
      address: v.string(),
      order: v.number(),
      done: v.number(),
      fellBack: v.number(),
      failed: v.number(),
    }),
  ),
});

type TracedRow = v.InferOutput<typeof traceJson>["faults"][number];

interface RunningTrace {
  readonly child: ChildProcess;
  /** Sends it the signal, and returns its exit code and what it counted. */
  end(signal: NodeJS.Signals): Promise<{ code: number | null; lost: number | null; rows: TracedRow[] }>;
}

/** Starts `hugebar trace` and waits until it traces. */
async function startTool(t: TestContext, ...words: readonly string[]): Promise<RunningTrace> {
  const child = spawn(process.execPath, ["src/cli/main.ts", "trace", "--json", ...words]);
  t.after(() => child.kill("SIGKILL"));
  const ended = once(child, "close");
  const output = text(child.stdout);
  const said: unknown[] = await Promise.race([once(child.stderr, "data"), ended]);
  assert.match(String(said[0]), /^hugebar: Tracing page faults/, `ended by ${child.signalCode}`);
  return {
    child,
    async end(signal) {
      child.kill(signal);
      await ended;
      const json = await output;
      if (json === "") return { code: child.exitCode, lost: null, rows: [] };
      const { lost, faults } = v.parse(traceJson, JSON.parse(json));
      if (faults.length > 0) assert.deepEqual(keysOf(json), documentedKeys("trace"));
      return { code: child.exitCode, lost, rows: faults };
    },
  };
}

/** Samples by metric and label values. */
type Samples = Record<string, Record<string, number>>;

const familiesSchema = v.array(familySchema);

/** Starts what counts for the exporter. */
function startCounters(t: TestContext) {
  const child = spawn(process.execPath, ["test/vm/guest/fault-counters.ts"]);
  t.after(() => child.kill("SIGKILL"));
  const ended = once(child, "close");
  const problems = text(child.stderr);
  return {
    pid: child.pid,
    async ask(): Promise<Samples> {
      child.stdin.write("\n");
      const families = v.parse(familiesSchema, JSON.parse(String(await once(child.stdout, "data"))));
      return Object.fromEntries(
        families.map(({ name, samples }) => [
          name,
          Object.fromEntries(samples.map(({ labels, value }) => [Object.values(labels).join(" "), value])),
        ]),
      );
    },
    async end(signal: NodeJS.Signals): Promise<string> {
      child.kill(signal);
      await ended;
      return problems;
    },
  };
}

/** What the exporter's counters must be where a trace has counted this. */
function countersOfRows(rows: readonly TracedRow[]): Record<string, number> {
  const counters: Record<string, number> = {};
  for (const { order, done, fellBack, failed } of rows) {
    for (const [result, count] of Object.entries({ done, "fell-back": fellBack, failed })) {
      const key = `${pageSize * 2 ** order} ${result}`;
      if (count > 0) counters[key] = (counters[key] ?? 0) + count;
    }
  }
  return counters;
}

/** What a trace has in the kernel: nothing when none is running. */
function traces(): string[] {
  const events = readFileSync(`${tracing}/dynamic_events`, "utf8").split("\n");
  return [...readdirSync(`${tracing}/instances`), ...events.filter((line) => line.includes("hugebar_"))];
}

/** Whether all probes of a trace of ours are switched on. */
function isTracing(): boolean {
  const switches = globSync(`${tracing}/instances/hugebar_*/events/hugebar_*/*/enable`);
  const probes = traces().filter((line) => line.includes(":"));
  return (
    probes.length > 0 &&
    switches.filter((file) => readFileSync(file, "utf8") === "1\n").length === probes.length
  );
}

/** Maps the whole BAR so that its first byte lies `past` bytes past a multiple of the largest leaf. */
function mapBar(t: TestContext, fd: number, size: number, fdOffset: number, past: number): Mapped {
  const room = size + 2 * largest;
  const reservation = linux.mmap(0n, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  t.after(() => linux.munmap(reservation, room));
  const boundary = BigInt(largest);
  const address = ((reservation + boundary - 1n) / boundary) * boundary + BigInt(past);
  linux.mmap(address, size, PROT_READ, MAP_SHARED | MAP_FIXED, fd, fdOffset);
  linux.madvise(address, size, MADV_HUGEPAGE);
  const bytes = new Uint8Array(linux.view(address, size));
  return { address: `0x${address.toString(16)}`, read: (offset) => Atomics.load(bytes, offset) };
}

interface Mapped {
  readonly address: string;
  readonly read: (offset: number) => number;
}

/** The BAR mapped three times: as it should be, with leaves of a PMD, and one page past that. */
function mapThrice(t: TestContext): { whole: Mapped; blocks: Mapped; pages: Mapped } {
  const transport = openVfioDevice(bdf, { api: "group" });
  t.after(() => transport.close());
  const { fd, fdOffset, size } = transport.regionInfo(bar);
  assert.ok(fd !== null);
  const map = (past: number): Mapped => mapBar(t, fd, size, fdOffset, past);
  return { whole: map(0), blocks: map(pmdSize), pages: map(pageSize) };
}

/** The kernel's lines for faults from the `known`th on. */
function debugLines(known: number): string[] {
  return kernelLog()
    .filter((line) => /vfio_pci_mmap_huge_fault(?:\(|: \d+ callbacks suppressed)/.test(line))
    .slice(known);
}

function tallyOfLines(lines: readonly string[]): Tally {
  const tally: Tally = {};
  for (const line of lines) {
    const [, order, result] =
      /\(,order = (\d+)\) BAR 2 page offset 0x[0-9a-f]+: (0x[0-9a-f]+)$/.exec(line) ?? assert.fail(line);
    const key = `${order} ${result}`;
    tally[key] = (tally[key] ?? 0) + 1;
  }
  return tally;
}

function tallyOfRows(rows: readonly TracedRow[]): Tally {
  const tally: Tally = {};
  for (const { order, done, fellBack } of rows) {
    for (const [key, count] of [
      [`${order} 0x100`, done],
      [`${order} 0x800`, fellBack],
    ] as const) {
      if (count > 0) tally[key] = (tally[key] ?? 0) + count;
    }
  }
  return tally;
}

before(() => {
  bindTo(bdf);
  setTransparentHugepage("always");
});

describe("hugebar trace", () => {
  it("counts what the kernel's debug lines say, fallbacks included", async (t) => {
    const { whole, blocks, pages } = mapThrice(t);
    const trace = await startTool(t);
    await untilLinesAreFree();
    const known = debugLines(0).length;
    setDynamicDebug("vfio_pci_core", true);
    t.after(() => setDynamicDebug("vfio_pci_core", false));

    whole.read(0);
    whole.read(GIB);
    whole.read(GIB + pageSize);
    // Of 1 GiB, the first of addresses is not all the mapping's; later ones are not congruent.
    blocks.read(0);
    blocks.read(pmdSize);
    pages.read(0);
    await untilLinesAreFree();
    blocks.read(5 * GIB);
    pages.read(pageSize);
    pages.read(5 * GIB);

    const lines = debugLines(known);
    const { lost, rows } = await trace.end("SIGINT");
    t.diagnostic(`by the kernel's lines: ${JSON.stringify(tallyOfLines(lines))}`);
    t.diagnostic(`by hugebar trace: ${JSON.stringify(tallyOfRows(rows))}`);
    const { [fellBackFromPmd]: smaller = 0, ...others } = tallyOfLines(lines);
    assert.deepEqual(
      others,
      model.pudLeaf
        ? { [`${most} 0x100`]: 2, [`${most} 0x800`]: 4, [`${orderOf(pmdSize)} 0x100`]: 3, "0 0x100": 3 }
        : { [`${most} 0x100`]: 5, "0 0x100": 3 },
    );
    // Twice for a fault that the kernel takes again with the lock of all mappings (mm/memory.c, vmf_can_call_fault).
    assert.ok(smaller === 2 || smaller === 4, `${smaller} times no leaf of a PMD`);
    assert.deepEqual(tallyOfRows(rows), tallyOfLines(lines));
    assert.equal(lost, 0);
    assert.deepEqual(
      new Set(rows.map(({ pid, device, region }) => `${pid} ${device} ${region}`)),
      new Set([`${process.pid} ${bdf} ${bar}`]),
    );
    const ofWhole = rows.filter(({ address }) => address === whole.address);
    assert.deepEqual(
      ofWhole.map(({ order, done, fellBack, failed }) => ({ order, done, fellBack, failed })),
      [{ order: most, done: 2, fellBack: 0, failed: 0 }],
    );
  });

  it("counts one fault for each trace when two run at once, and neither ends the other", async (t) => {
    const { whole } = mapThrice(t);
    const first = await startTool(t);
    const second = await startTool(t, String(process.pid));
    whole.read(0);
    const ofFirst = await first.end("SIGTERM");
    assert.equal(ofFirst.code, 143);
    assert.deepEqual(tallyOfRows(ofFirst.rows), { [`${most} 0x100`]: 1 });
    whole.read(2 * GIB);
    const ofSecond = await second.end("SIGINT");
    assert.equal(ofSecond.code, 130);
    assert.deepEqual(tallyOfRows(ofSecond.rows), { [`${most} 0x100`]: 2 });
    assert.deepEqual(traces(), []);
  });

  it("leaves other processes out when it is given one", async (t) => {
    const { whole } = mapThrice(t);
    const trace = await startTool(t, "1");
    whole.read(0);
    assert.deepEqual((await trace.end("SIGINT")).rows, []);
  });

  it("is a function of the library too, which a signal ends", async (t) => {
    const { whole } = mapThrice(t);
    const ending = new AbortController();
    const traced = traceFaults({ pids: [process.pid], signal: ending.signal });
    while (!isTracing()) await wait(20);
    whole.read(0);
    ending.abort();
    const { faults, lost } = await traced;
    const { address } = whole;
    const fault = {
      pid: process.pid,
      device: bdf,
      region: bar,
      address,
      order: most,
      size: largest,
      done: 1,
    };
    assert.partialDeepStrictEqual(faults, [fault]);
    assert.deepEqual([faults.length, lost, traces()], [1, 0, []]);
  });

  it("leaves nothing in the kernel when it is killed, nor does the exporter, which counts the same there", async (t) => {
    const counters = startCounters(t);
    const before = await counters.ask();
    const trace = await startTool(t);
    assert.notDeepEqual(traces(), []);
    if (existsSync(`${tracing}/events/sched/sched_switch/hist`)) {
      assert.deepEqual(new Set(Object.values(before["hugebar_faults_total"] ?? {})), new Set([0]));
      const { whole, blocks, pages } = mapThrice(t);
      whole.read(0);
      whole.read(GIB);
      blocks.read(0);
      pages.read(0);
      pages.read(pageSize);
      const { hugebar_faults_total: faults = {}, ...others } = await counters.ask();
      const counted = Object.fromEntries(Object.entries(faults).filter(([, count]) => count > 0));
      t.diagnostic(`by the exporter: ${JSON.stringify(counted)}`);
      // Where there is no PUD's leaf, `blocks` is as good as `whole`.
      assert.equal(counted[`${largest} done`], model.pudLeaf ? 2 : 3);
      assert.deepEqual(others, { hugebar_faults_traced: { "": 1 }, hugebar_faults_lost_total: { "": 0 } });
      // By triggers: no event of it takes a place in the buffer.
      const [buffer = ""] = globSync(`${tracing}/instances/hugebar_*_${counters.pid}/trace`);
      assert.match(readFileSync(buffer, "utf8"), /entries-in-buffer\/entries-written: 0\/0 /);
      assert.deepEqual(countersOfRows((await trace.end("SIGINT")).rows), counted);
      assert.equal(await counters.end("SIGKILL"), "");
    } else {
      assert.deepEqual(before, { hugebar_faults_traced: { "": 0 } });
      await trace.end("SIGKILL");
      assert.match(await counters.end("SIGTERM"), /without histograms of events \(CONFIG_HIST_TRIGGERS\)/);
    }
    for (let tries = 0; tries < 200 && traces().length > 0; tries += 1) await wait(50);
    assert.deepEqual(traces(), []);
  });
});
