/**
 * The modules of our own that run in a thread or a process of their own: each lies beside the module that starts it. The
 * executable has no files to lie beside; there build/executable/own-modules.ts takes this module's place.
 */

import type { Worker, WorkerOptions } from "node:worker_threads";

/** Starts `name` as a thread; `base` is the `import.meta.url` of the module beside it. */
export function startThread(base: string, name: string, options: WorkerOptions): Worker {
  // Loaded when it is needed: it takes 2 ms.
  const threads = process.getBuiltinModule("node:worker_threads");
  // Without this thread's own options: `--input-type` would keep files from loading.
  return new threads.Worker(ownModule(base, name), { execArgv: [], ...options });
}

/** The words that make `process.execPath` run `name`. */
export function programOf(base: string, name: string): string[] {
  return [process.getBuiltinModule("node:url").fileURLToPath(ownModule(base, name))];
}

/** Where `name` lies, for who loads it later. */
export function ownModule(base: string, name: string): URL {
  return new URL(`./${name}.${base.endsWith(".ts") ? "ts" : "js"}`, base);
}

/** Loads a module of ours or of a user's. */
export function loadModule(href: string): Promise<unknown> {
  return import(href);
}
