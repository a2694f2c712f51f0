/** `hugebar exporter`: metrics for Prometheus, until a signal. */

import { beginCounting, countFaults } from "../../exporter/fault-counters.ts";
import { listen, parseListen } from "../../exporter/listen.ts";
import { startScanner } from "../../exporter/scanner.ts";
import { metricsServer } from "../../exporter/server.ts";
import { OPEN, readWebConfig } from "../../exporter/web-config.ts";
import { rootsAt } from "../../inspect/proc/roots.ts";
import type { Output } from "../output.ts";
import { awaitInterruption } from "../signals.ts";
import { parseSeconds } from "../values.ts";
import type { Arguments } from "../verbs.ts";

const LISTEN = "127.0.0.1:9741";
const INTERVAL_SECONDS = "15";
/** Prometheus gives up after 10, and would not hear that it took too long. */
const LIMIT_SECONDS = "8";
/** vfio-pci may be loaded later than the service starts. */
const RETRY_MILLISECONDS = 60_000;

export async function run({ options }: Arguments<"exporter">, output: Output): Promise<number> {
  const where = parseListen(options.listen ?? LISTEN, process.env);
  const file = options["web.config.file"];
  const web = file === undefined ? OPEN : readWebConfig(file);
  const roots = rootsAt(options, "--");
  const scanner = startScanner({
    roots,
    intervalMilliseconds: parseSeconds("--interval", options.interval ?? INTERVAL_SECONDS) * 1000,
    limitMilliseconds: parseSeconds("--limit", options.limit ?? LIMIT_SECONDS) * 1000,
    onFailure: (problem) => output.message(`A scan has failed: ${problem}`),
  });
  const faults = options.faults
    ? countFaults({
        begin: () => beginCounting(roots),
        retryMilliseconds: RETRY_MILLISECONDS,
        onProblem: (problem) => output.message(problem),
      })
    : null;
  const interruption = awaitInterruption();
  try {
    const server = metricsServer(
      { metrics: async () => [...(await scanner.metrics()), ...((await faults?.metrics()) ?? [])] },
      web,
    );
    const address = await listen(server, where, web.tls === null ? "http" : "https");
    output.message(`listening at ${address}`);
    try {
      return await interruption.exitCode;
    } finally {
      server.close();
      server.closeAllConnections();
    }
  } finally {
    scanner.close();
    await faults?.close();
    interruption.dispose();
  }
}
