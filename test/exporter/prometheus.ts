/** A real Prometheus on loopback, with what it keeps in a folder of its own. */

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import * as v from "valibot";

const answerSchema = v.object({
  status: v.literal("success"),
  data: v.object({
    result: v.array(
      v.object({ metric: v.record(v.string(), v.string()), value: v.tuple([v.number(), v.string()]) }),
    ),
  }),
});

/** Some minutes: scrapes and rules come every few seconds, also on a busy machine. */
const MOST_TRIES = 1500;

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Prometheus {
  /** Its own pages: `http://127.0.0.1:PORT`. */
  readonly address: string;
  query(expression: string): Promise<Series[]>;
  /** Asks until the answer is as wanted. @throws when it is not for minutes */
  until(expression: string, isWanted: (series: readonly Series[]) => boolean): Promise<Series[]>;
  stop(): Promise<void>;
}

/** Targets that share an address: one of Prometheus' `static_configs`. */
export interface StaticConfig {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** @param targets the job's @param rules the path of a file of rules @param seconds between two scrapes */
export async function startPrometheus(
  targets: readonly StaticConfig[],
  rules: string,
  seconds = 1,
): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-prometheus-"));
  const configuration = {
    global: {
      scrape_interval: `${seconds}s`,
      scrape_timeout: `${seconds}s`,
      evaluation_interval: `${seconds}s`,
    },
    rule_files: [rules],
    scrape_configs: [{ job_name: "hugebar", static_configs: targets }],
  };
  // JSON is YAML.
  writeFileSync(join(folder, "prometheus.yml"), JSON.stringify(configuration));
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    "prometheus",
    [
      `--config.file=${join(folder, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=${address}`,
      "--log.level=error",
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  const query = async (expression: string): Promise<Series[]> => {
    const url = `http://${address}/api/v1/query?query=${encodeURIComponent(expression)}`;
    const response = await fetch(url);
    const { data } = v.parse(answerSchema, await response.json());
    return data.result.map(({ metric, value: [, value] }) => ({ labels: metric, value: Number(value) }));
  };
  await ready(child, `http://${address}/-/ready`);
  return {
    address: `http://${address}`,
    query,
    async until(expression, isWanted) {
      for (let tries = 0; tries < MOST_TRIES; tries += 1) {
        const series = await query(expression);
        if (isWanted(series)) return series;
        await wait(200);
      }
      throw new Error(`${expression} is still ${JSON.stringify(await query(expression))}`);
    },
    async stop() {
      child.kill("SIGTERM");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      rmSync(folder, { recursive: true });
    },
  };
}

/** Waits until a program answers there. @throws when it ends */
export async function ready(child: ChildProcess, url: string): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with status ${child.exitCode}`);
    try {
      if ((await fetch(url)).ok) return;
    } catch {
      // Not yet listening.
    }
    await wait(100);
  }
}

/** A port that nobody had a moment ago: what Prometheus' own programs listen at they do not say. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
