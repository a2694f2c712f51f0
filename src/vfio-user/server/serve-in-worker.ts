/**
 * Serving a device from a worker of this process: for programs that are its client too, and would otherwise wait for
 * themselves.
 */

import type { Worker } from "node:worker_threads";
import { requireOptions, unusable } from "../../arguments.ts";
import { ERROR_TABLE, hugebarError, HugebarError, type ErrorCode } from "../../errors.ts";
import { startThread } from "../../system/own-modules.ts";
import { requireSocket } from "./check-description.ts";

/** What the module's `serve` is called with. */
export interface WorkerServeOptions {
  /** Where to listen. */
  readonly socket: string;
  /** What `serveInWorker` was given, as the structured clone algorithm copies it. */
  readonly data: unknown;
}

/** What `serve` must return, or resolve to: a `DeviceServer`, or whatever else can be closed. */
export interface Closable {
  close(): void | Promise<void>;
}

/** A device that another thread serves. */
export interface WorkerServer {
  /** The socket's path. */
  readonly path: string;
  /**
   * Closes the server and ends its thread.
   *
   * @throws what the server's own `close` throws, or what had ended the thread before.
   */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface ServeInWorkerOptions {
  readonly socket: string;
  /** Handed to the module's `serve`. */
  readonly data?: unknown;
}

/** @internal What the worker is started with. */
export interface WorkerServeData extends WorkerServeOptions {
  readonly module: string;
  /** Becomes 1 when nothing of the server is left. */
  readonly gone: Int32Array;
}

/** @internal What the worker posts. */
export type WorkerMessage =
  | { readonly type: "listening" | "closed" }
  | { readonly type: "failed"; readonly error: unknown; readonly code: unknown };

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
  requireOptions("of a module's location", module);
  const { href } = module;
  if (typeof href !== "string") throw unusable("module", module, "it must be a URL");
  requireOptions("of serving", options);
  const { socket, data = null } = options;
  requireSocket(socket);
  const gone = new Int32Array(new SharedArrayBuffer(4));
  const worker = startWorker({ module: href, socket, data, gone });
  const ended = watchEnd(worker, gone);
  await message(worker, "listening", ended);
  const close = async (): Promise<void> => {
    const closed = message(worker, "closed", ended);
    worker.postMessage("close");
    await closed;
    await ended.promise;
  };
  let closing: Promise<void> | null = null;
  const closeOnce = (): Promise<void> => (closing ??= close());
  return { path: socket, close: closeOnce, [Symbol.asyncDispose]: closeOnce };
}

/** @throws ERR_ARGUMENT for data that cannot cross threads */
function startWorker(workerData: WorkerServeData): Worker {
  try {
    return startThread(import.meta.url, "serve-worker", { name: "hugebar-device", workerData });
  } catch (error) {
    if (!(error instanceof DOMException) || error.name !== "DataCloneError") throw error;
    throw unusable("data", workerData.data, `it cannot be copied to another thread: ${error.message}`);
  }
}

interface End {
  /** Resolves when the worker has ended, whatever ended it. */
  readonly promise: Promise<void>;
  /** What ended it, if it did not end by itself. */
  error: unknown;
}

/**
 * A process that exits stops its workers wherever they are, be it while they load the C library or wait in it: a server
 * gets the time to close then, and its socket's file goes with it.
 */
function watchEnd(worker: Worker, gone: Int32Array): End {
  const closeAtExit = (): void => {
    worker.postMessage("close");
    Atomics.wait(gone, 0, 0, EXIT_MILLISECONDS);
  };
  process.once("exit", closeAtExit);
  const { promise, resolve } = Promise.withResolvers<void>();
  const end: End = { promise, error: null };
  worker.once("error", (error) => {
    end.error = error;
  });
  worker.once("exit", () => {
    process.off("exit", closeAtExit);
    resolve();
  });
  return end;
}

/** Waits for the worker's message of this type; its failure, or its end, is thrown. */
async function message(worker: Worker, type: WorkerMessage["type"], end: End): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onMessage = (posted: WorkerMessage): void => {
    if (posted.type === type) resolve();
    else if (posted.type === "failed") reject(revive(posted.error, posted.code));
  };
  worker.on("message", onMessage);
  void end.promise.then(() => reject(end.error ?? ended()));
  try {
    await promise;
  } catch (error) {
    await end.promise;
    throw error;
  } finally {
    worker.off("message", onMessage);
  }
}

/** What crosses threads keeps an error's message, stack and cause, but neither its class nor its code. */
function revive(error: unknown, code: unknown): unknown {
  if (!(error instanceof Error) || !isErrorCode(code)) return error;
  return new HugebarError(code, error.message, { cause: error });
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === "string" && code in ERROR_TABLE;
}

function ended(): Error {
  return hugebarError("ERR_DISCONNECTED", {
    action: "serve a device in a worker",
    problem: "the worker ended by itself",
  });
}
