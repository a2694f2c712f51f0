/**
 * Serving a device from a thread of this process: for programs that are its client too, and would otherwise wait for
 * themselves, and for those that want to go on when it hangs.
 */

import type { Worker } from "node:worker_threads";
import { requireOptions, requireWhole, unusable } from "../../arguments.ts";
import { startThread } from "../../system/own-modules.ts";
import { atExit } from "./apart/at-exit.ts";
import { deviceApart, type Carrier, type WorkerServer } from "./apart/device-apart.ts";
import type { ModuleToServe } from "./apart/messages.ts";
import { requireSocket } from "./check-description.ts";
import { socketFile } from "./link/socket-file.ts";

export interface ServeInWorkerOptions {
  readonly socket: string;
  /** Handed to the module's `serve`. */
  readonly data?: unknown;
  /**
   * How long the device's event loop may stand still, in milliseconds: a whole number from 1. A device that hangs so long,
   * twice as long at most, is ended as by `terminate`. Left out, nobody looks.
   */
  readonly hangMilliseconds?: number;
}

/** Longest wait, when the process exits, for a server that is only just starting, or busy. */
const EXIT_MILLISECONDS = 5000;

/** Where a module is: a `URL`, as `new URL("./gpu.ts", import.meta.url)` makes it. */
export interface ModuleLocation {
  readonly href: string;
}

/**
 * Starts a worker, loads `module` there and calls the function `serve` that it exports with
 * `{ socket, data }`; it must call `serveDevice` and return the server. Resolves when the socket listens.
 *
 * @throws what `serve` or the loading of the module throws; ERR_ARGUMENT for what is no location, no path, or cannot be copied.
 *
 * @example
 * // gpu.ts
 * export const serve = ({ socket }: WorkerServeOptions) =>
 *   serveDevice({ regions: [{ index: 2, size: 256 * 2 ** 30, memory: "sparse" }] }, { socket });
 * // main.ts
 * const server = await serveInWorker(new URL("./gpu.ts", import.meta.url), { socket: "/run/gpu.sock" });
 * const device = openDevice("vfio-user:/run/gpu.sock");
 * device.close();
 * await server.close();
 */
export async function serveInWorker(
  module: ModuleLocation,
  options: ServeInWorkerOptions,
): Promise<WorkerServer> {
  const { toServe, hangMilliseconds } = checked(module, options);
  const carrier = startWorker(toServe);
  return await deviceApart(carrier, toServe.socket, hangMilliseconds, () => socketFile(toServe.socket));
}

/** @throws ERR_ARGUMENT */
export function checked(
  module: ModuleLocation,
  options: ServeInWorkerOptions,
): { readonly toServe: ModuleToServe; readonly hangMilliseconds: number | null } {
  requireOptions("of a module's location", module);
  const { href } = module;
  if (typeof href !== "string") throw unusable("module", module, "it must be a URL");
  requireOptions("of serving", options);
  const { socket, data = null, hangMilliseconds = null } = options;
  requireSocket(socket);
  if (hangMilliseconds !== null) requireWhole("hangMilliseconds", hangMilliseconds, 1, MOST_MILLISECONDS);
  return { toServe: { module: href, socket, data }, hangMilliseconds };
}

/** The longest that a timer waits. */
const MOST_MILLISECONDS = 2 ** 31 - 1;

function startWorker(toServe: ModuleToServe): Carrier {
  const gone = new Int32Array(new SharedArrayBuffer(4));
  const worker = start({ ...toServe, gone });
  return {
    kind: "thread",
    attend: (listener) => void worker.on("message", listener),
    post: (message) => worker.postMessage(message),
    kill: () => void worker.terminate(),
    gone: watchEnd(worker, gone),
  };
}

/** @throws ERR_ARGUMENT for data that cannot cross threads */
function start(workerData: ModuleToServe & { readonly gone: Int32Array }): Worker {
  try {
    return startThread(import.meta.url, "serve-worker", { name: "hugebar-device", workerData });
  } catch (error) {
    if (!(error instanceof DOMException) || error.name !== "DataCloneError") throw error;
    throw unusable("data", workerData.data, `it cannot be copied to another thread: ${error.message}`);
  }
}

/**
 * A process that exits stops its workers wherever they are, be it while they load the C library or wait in it: a server
 * gets the time to close then, and its socket's file goes with it.
 *
 * @param gone becomes 1 when nothing of the server is left
 */
function watchEnd(worker: Worker, gone: Int32Array): Carrier["gone"] {
  const closeAtExit = (): void => {
    worker.postMessage("close");
    Atomics.wait(gone, 0, 0, EXIT_MILLISECONDS);
  };
  const forget = atExit(closeAtExit);
  const { promise, resolve } = Promise.withResolvers<{ error: unknown }>();
  let error: unknown = null;
  worker.once("error", (thrown) => {
    error = thrown;
  });
  worker.once("exit", () => {
    forget();
    resolve({ error });
  });
  return promise;
}
