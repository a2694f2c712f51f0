/** The thread of `serve-in-worker.ts`. */

import { parentPort, workerData } from "node:worker_threads";
import * as v from "valibot";
import { MODULE_TO_SERVE, serveModule } from "./apart/serve-module.ts";

const dataSchema = v.object({ ...MODULE_TO_SERVE.entries, gone: v.instance(Int32Array) });
const { gone, ...toServe } = v.parse(dataSchema, workerData);

process.once("exit", () => {
  Atomics.store(gone, 0, 1);
  Atomics.notify(gone, 0);
});

await serveModule(toServe, {
  post: (message) => parentPort?.postMessage(message),
  attend: (listener) => parentPort?.on("message", listener),
  leave: () => process.exit(),
});
