/**
 * For a test: workers with devices at the socket given end, each in another way; says of each what it mapped, what is left
 * mapped after it, and what was warned of. As a worker, `workerData` says where and how.
 */

import { randomFill } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { openDevice, type Mapping } from "./index.ts";

type End = "terminated" | "exits" | "closes" | "terminated in a job" | "mapping closed, terminated";

function mapped(): number {
  return readFileSync("/proc/self/maps", "utf8")
    .split("\n")
    .filter((line) => line.includes("hugebar-device")).length;
}

async function endOf(socket: string, end: End): Promise<object> {
  const warnings: string[] = [];
  const onWarning = ({ message }: Error): void => void warnings.push(message);
  process.on("warning", onWarning);
  const before = mapped();
  const worker = new Worker(import.meta.filename, { workerData: { socket, end } });
  const exited = new Promise((resolve) => void worker.once("exit", resolve));
  await new Promise((resolve) => void worker.once("message", resolve));
  const during = mapped() - before;
  if (end.endsWith("terminated") || end === "terminated in a job") await worker.terminate();
  else worker.postMessage("end");
  await exited;
  await sleep(20); // warnings come in a turn of their own
  process.off("warning", onWarning);
  return { end, during, left: mapped() - before, warnings };
}

/** More of them than there are threads for them, so that some are under way when the worker ends. */
function startJobs(bar: Mapping): void {
  const [{ offset, size } = { offset: 0, size: 0 }] = bar.areas;
  const bytes = new Uint8Array(bar.view(offset, Math.min(size, 2 ** 24)));
  for (let job = 0; job < 16; job += 1) randomFill(bytes, () => {});
}

function work({ socket, end }: { socket: string; end: End }): void {
  const device = openDevice(socket);
  const region = device.region(2);
  const bar = region.map();
  region.map().close();
  if (end === "terminated in a job") startJobs(bar);
  if (end === "mapping closed, terminated") bar.close();
  parentPort?.once("message", () => {
    if (end === "closes") device.close();
    // The port alone would keep it from ending.
    process.exit();
  });
  parentPort?.postMessage("mapped");
}

if (isMainThread) {
  const [socket = ""] = process.argv.slice(2);
  const ends: readonly End[] = [
    "terminated",
    "exits",
    "closes",
    "terminated in a job",
    "mapping closed, terminated",
  ];
  const found = [];
  for (const end of ends) found.push(await endOf(socket, end));
  console.log(JSON.stringify(found));
} else {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- from the thread above
  work(workerData as { socket: string; end: End });
}
