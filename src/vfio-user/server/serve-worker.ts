/** The worker of `serve-in-worker.ts`: loads the device's module, calls its `serve`, and closes what that returns. */

import { parentPort, workerData } from "node:worker_threads";
import * as v from "valibot";
import { hugebarError, HugebarError } from "../../errors.ts";
import { loadModule } from "../../system/own-modules.ts";
import type { Closable, WorkerMessage } from "./serve-in-worker.ts";

const dataSchema = v.object({
  module: v.string(),
  socket: v.string(),
  data: v.unknown(),
  gone: v.instance(Int32Array),
});
const moduleSchema = v.object({ serve: v.function() });

const { module, socket, data, gone } = v.parse(dataSchema, workerData);

process.once("exit", () => {
  Atomics.store(gone, 0, 1);
  Atomics.notify(gone, 0);
});

function post(message: WorkerMessage): void {
  parentPort?.postMessage(message);
}

function postFailure(error: unknown): void {
  post({ type: "failed", error, code: error instanceof HugebarError ? error.code : null });
}

async function start(): Promise<Closable> {
  const loaded: unknown = await loadModule(module);
  if (!v.is(moduleSchema, loaded)) {
    throw hugebarError("ERR_ARGUMENT", { what: module, problem: "it exports no function `serve`" });
  }
  const server: unknown = await loaded.serve({ socket, data });
  if (!isClosable(server)) {
    throw hugebarError("ERR_ARGUMENT", {
      what: module,
      problem: "its `serve` returns nothing that can be closed",
    });
  }
  return server;
}

function isClosable(value: unknown): value is Closable {
  return typeof value === "object" && value !== null && "close" in value && typeof value.close === "function";
}

/** Ends this thread: without its port nothing keeps it alive but what `serve` has left running. */
async function end(server: Closable): Promise<void> {
  try {
    await server.close();
    post({ type: "closed" });
  } catch (error) {
    postFailure(error);
  }
  process.exit();
}

try {
  const server = await start();
  parentPort?.once("message", () => void end(server));
  post({ type: "listening" });
} catch (error) {
  postFailure(error);
  process.exit();
}
