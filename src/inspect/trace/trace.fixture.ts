/**
 * Traces a program of the test's own, since the machine may have no VFIO: a user-space probe on a function that takes
 * what the kernel's fault handlers take. `trace.fixture MODE PROGRAM OFFSET`, started with tracefs mounted.
 */

import { spawnSync } from "node:child_process";
import { LIVE } from "../proc/machine.ts";
import { startTrace } from "./trace.ts";
import { findTracefs, instanceName } from "./trace-instance.ts";

const [mode = "", program = "", offset = ""] = process.argv.slice(2);
// Probes of programs know registers only.
const [first, second, third] = process.arch === "arm64" ? ["%x0", "%x1", "%x2"] : ["%di", "%si", "%dx"];
const fetch = `order=${second}:u32 start=+0(+0(${first})):x64 ret=${third}:x32`;
const trace = await startTrace(
  findTracefs(LIVE.sys),
  LIVE.proc,
  [
    { type: "p", kind: "huge", place: `${program}:0x${offset}`, fetch },
    { type: "p", kind: "page", place: `${program}:0x${offset}`, fetch },
  ],
  mode === "flood" ? 8 : 1024,
);
if (mode === "crash") {
  process.stdout.write(`${instanceName()}\n`);
  process.kill(process.pid, "SIGKILL");
}
// More than one reading takes, but for the flood not more than the buffer holds.
const faults = mode === "flood" ? 100_000 : 3000;
const { pid } = spawnSync(program, [String(faults)]);
if (mode === "flood") trace.read();
await trace.stop();
await trace.stop();
const counts = trace
  .counts()
  .map(({ tid, pid: process, start, order, answer, count }) =>
    [tid === process, process === pid, start.toString(16), order, answer.toString(16), count].join(" "),
  );
process.stdout.write([instanceName(), trace.lost(), ...counts].join("\n"));
