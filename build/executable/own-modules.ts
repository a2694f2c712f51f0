/** In the executable, the place of src/system/own-modules.ts: our modules are assets of it, by name. */

import { getAsset } from "node:sea";
import { Worker, type WorkerOptions } from "node:worker_threads";

/** The scheme of the modules inside. */
const OWN = "hugebar:";

export function startThread(_base: string, name: string, options: WorkerOptions): Worker {
  const module = `data:text/javascript,${encodeURIComponent(getAsset(`${name}.js`, "utf8"))}`;
  return new Worker(new URL(module), { execArgv: [], ...options });
}

/** What the executable's entry (main.ts) takes for a module of ours that runs as a process. */
export function programOf(_base: string, name: string): string[] {
  return [`--own-module=${name}`];
}

export function ownModule(_base: string, name: string): URL {
  return new URL(`${OWN}${name}`);
}

export function loadModule(href: string): Promise<unknown> {
  if (!href.startsWith(OWN)) return import(href);
  return import(
    `data:text/javascript,${encodeURIComponent(getAsset(`${href.slice(OWN.length)}.js`, "utf8"))}`
  );
}
