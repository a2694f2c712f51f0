/** Serving a device from a process of its own: whatever becomes of it, nothing of it is left in this one. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { unusable } from "../../arguments.ts";
import { hugebarError } from "../../errors.ts";
import { failureInWords } from "../../system/errno.ts";
import { programOf } from "../../system/own-modules.ts";
import { atExit } from "./apart/at-exit.ts";
import { deviceApart, type Carrier, type WorkerServer } from "./apart/device-apart.ts";
import type { ModuleToServe } from "./apart/messages.ts";
import { socketFile } from "./link/socket-file.ts";
import { checked, type ModuleLocation, type ServeInWorkerOptions } from "./serve-in-worker.ts";

/** Longest wait, when this process exits, for a server to close. */
const EXIT_MILLISECONDS = 5000;
const LOOK_MILLISECONDS = 5;

/** A device that another process serves. */
export interface ProcessServer extends WorkerServer {
  readonly pid: number;
}

/**
 * As `serveInWorker`, in a process of its own, which has this one's standard output and error, working directory and
 * environment. It closes the device when this process ends, however it ends.
 *
 * @throws as `serveInWorker` does; ERR_SYSTEM when no process can be started.
 *
 * @example
 * const server = await serveInProcess(new URL("./gpu.ts", import.meta.url), {
 *   socket: "/run/gpu.sock",
 *   hangMilliseconds: 10_000,
 * });
 * server.ended.catch((error) => console.error(error)); // it hung, or died; this process goes on
 */
export async function serveInProcess(
  module: ModuleLocation,
  options: ServeInWorkerOptions,
): Promise<ProcessServer> {
  const { toServe, hangMilliseconds } = checked(module, options);
  const { socket } = toServe;
  const child = await start();
  const carrier = carrierOf(child);
  hand(child, toServe);
  const server = await deviceApart(carrier, socket, hangMilliseconds, () => socketFile(socket));
  return Object.assign(server, { pid: child.pid ?? 0 });
}

/** @throws ERR_SYSTEM */
async function start(): Promise<ChildProcess> {
  try {
    const child = spawn(process.execPath, programOf(import.meta.url, "serve-process"), {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      serialization: "advanced",
    });
    await once(child, "spawn");
    // Later ones are of messages to a process that is gone.
    child.on("error", () => {});
    return child;
  } catch (error) {
    const details = { action: "start a process for a device", problem: failureInWords(error) };
    throw hugebarError("ERR_SYSTEM", details, error);
  }
}

/** @throws ERR_ARGUMENT for data that cannot be copied */
function hand(child: ChildProcess, toServe: ModuleToServe): void {
  try {
    child.send(toServe, () => {});
  } catch (error) {
    child.kill("SIGKILL");
    const problem = error instanceof Error ? error.message : String(error);
    throw unusable("data", toServe.data, `it cannot be copied to another process: ${problem}`);
  }
}

function carrierOf(child: ChildProcess): Carrier {
  const { promise: gone, resolve } = Promise.withResolvers<Awaited<Carrier["gone"]>>();
  const forget = atExit(() => endBeforeExit(child));
  child.once("exit", (code, signal) => {
    forget();
    resolve({ error: null, how: signal === null ? `with exit code ${code}` : `by ${signal}` });
  });
  return {
    kind: "process",
    attend: (listener) => void child.on("message", listener),
    post(message) {
      if (child.connected) child.send(message, () => {});
    },
    kill: () => void child.kill("SIGKILL"),
    gone,
  };
}

/** Its event loop is no longer there to tell: /proc is. */
function endBeforeExit(child: ChildProcess): void {
  child.kill("SIGTERM");
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  for (const end = performance.now() + EXIT_MILLISECONDS; !isOver(child.pid);) {
    if (performance.now() >= end) return void child.kill("SIGKILL");
    Atomics.wait(nobody, 0, 0, LOOK_MILLISECONDS);
  }
}

/** Whether the process is a zombie, which waits for this one to look at its exit code. */
function isOver(pid: number | undefined): boolean {
  try {
    return /\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return true;
  }
}
