/** A trace instance that is gone when its process ends, however that ends: a process of its own, the guard, removes it then. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { hugebarError } from "../../errors.ts";
import { failureInWords } from "../../system/errno.ts";
import { programOf } from "../../system/own-modules.ts";
import {
  createInstance,
  instanceName,
  removeInstance,
  removeLeftovers,
  type Histogram,
  type TracedEvents,
} from "./trace-instance.ts";

export interface HeldInstance {
  readonly name: string;
  readonly histograms: readonly Histogram[];
  /** Removes it and all its events, and ends the guard. */
  readonly release: () => Promise<void>;
}

/** @throws ERR_NOT_SUPPORTED, ERR_PERMISSION, ERR_SYSTEM; then nothing of it is left */
export async function holdInstance(root: string, events: TracedEvents): Promise<HeldInstance> {
  const name = instanceName();
  await removeLeftovers(root);
  const guard = await startGuard(root, name);
  // Once the guard has been killed there is nobody to tell that it may end.
  guard.stdin.on("error", () => undefined);
  const release = async (): Promise<void> => {
    guard.stdin.end();
    if (guard.exitCode === null && guard.signalCode === null) await once(guard, "exit");
    // Should the guard have been killed: what it did is not done twice.
    await removeInstance(root, name);
  };
  try {
    return { name, histograms: createInstance(root, name, events), release };
  } catch (error) {
    await release();
    throw error;
  }
}

/** @throws ERR_SYSTEM, before anything is made */
async function startGuard(root: string, name: string) {
  // A session of its own: a terminal's Ctrl-C is not for it.
  const guard = spawn(process.execPath, [...programOf(import.meta.url, "trace-guard"), root, name], {
    detached: true,
    stdio: ["pipe", "ignore", "inherit"],
  });
  try {
    await once(guard, "spawn");
  } catch (error) {
    const problem = `what removes it should this process die does not start: ${failureInWords(error)}`;
    throw hugebarError("ERR_SYSTEM", { action: "trace faults on device memory", problem }, error);
  }
  return guard;
}
