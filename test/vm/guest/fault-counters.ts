/** What `hugebar exporter --faults` counts: metrics as JSON, a line for each line of standard input, until that ends. */

import { createInterface } from "node:readline";
import { beginCounting, countFaults } from "../../../src/exporter/fault-counters.ts";
import { LIVE } from "../../../src/inspect/proc/machine.ts";

const faults = countFaults({
  begin: () => beginCounting(LIVE),
  retryMilliseconds: 60_000,
  onProblem: (problem) => process.stderr.write(`${problem}\n`),
});
for await (const _ of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await faults.metrics())}\n`);
}
await faults.close();
