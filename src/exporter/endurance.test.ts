import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { Agent, get, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { pagingModels } from "../layout/paging.ts";
import { countFaults } from "./fault-counters.ts";
import { listen } from "./listen.ts";
import { startScanner } from "./scanner.ts";
import { metricsServer } from "./server.ts";
import { OPEN } from "./web-config.ts";

const MACHINE = fileURLToPath(new URL("../../test/machines/x86-qemu", import.meta.url));

/** A day's, at one a minute. */
const SCRAPES = 1440;
/** After as many everything that is made once has been made. */
const SETTLED = 480;

interface Held {
  readonly heapBytes: number;
  readonly descriptors: number;
  readonly children: string;
}

/** What this process holds, once what nobody holds is gone. */
function held(collect: () => void): Held {
  collect();
  return {
    heapBytes: process.memoryUsage().heapUsed,
    descriptors: readdirSync("/proc/self/fd").length,
    children: readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim(),
  };
}

it("an exporter holds no more after a day of scrapes than after some hours, and its series are the same", async (t) => {
  setFlagsFromString("--expose-gc");
  const collect = (): void => void runInNewContext("gc()");
  const scanner = startScanner({
    roots: { proc: join(MACHINE, "proc"), sys: join(MACHINE, "sys") },
    // Now and then, for a scan takes longer than a thousand scrapes of what it found.
    intervalMilliseconds: 1000,
    limitMilliseconds: 60_000,
    onFailure: (problem) => assert.fail(problem),
  });
  const faults = countFaults({
    begin: async () => ({
      histograms: {
        read: () => ({ tallies: [{ order: 9, answer: 0x100, count: 1 }], lost: 0 }),
        stop: async () => undefined,
      },
      model: pagingModels["x86-64"],
    }),
    retryMilliseconds: 60_000,
    onProblem: (problem) => assert.fail(problem),
  });
  const server = metricsServer(
    { metrics: async () => [...(await scanner.metrics()), ...(await faults.metrics())] },
    OPEN,
  );
  const address = await listen(server, { host: "127.0.0.1", port: 0 }, "http");
  // As Prometheus does, over one connection.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(async () => {
    scanner.close();
    await faults.close();
    agent.destroy();
    server.close();
  });

  const scrape = async (): Promise<string> => {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    get(`${address}/metrics`, { agent }, resolve).once("error", reject);
    return text(await promise);
  };
  const scans = new Set<string>();
  const seriesOf = (metrics: string): string =>
    (metrics.match(/^hugebar_\w+(?:\{.*\})?(?= )/gm) ?? []).join("\n");
  const first = seriesOf(await scrape());
  const scrapeUntil = async (count: number, from: number): Promise<void> => {
    for (let each = from; each < count; each += 1) {
      const metrics = await scrape();
      scans.add(/^hugebar_scan_time_seconds (.*)$/m.exec(metrics)?.[1] ?? "");
      if (each % 48 === 0) assert.equal(seriesOf(metrics), first);
    }
  };
  await scrapeUntil(SETTLED, 0);
  const before = held(collect);
  await scrapeUntil(SCRAPES, SETTLED);
  const after = held(collect);
  t.diagnostic(
    `${scans.size} scans; ${before.heapBytes} bytes held after ${SETTLED} scrapes, ${after.heapBytes} after ${SCRAPES}`,
  );
  assert.ok(scans.size > 1);
  assert.deepEqual([after.descriptors, after.children], [before.descriptors, before.children]);
  // What a scrape makes is some 50 KB; of a thousand, not even one of twenty may be held.
  assert.ok(after.heapBytes - before.heapBytes < 2 ** 21, `${after.heapBytes - before.heapBytes} bytes more`);
});
