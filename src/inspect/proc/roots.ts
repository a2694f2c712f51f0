/** Where to read a machine: this one, or a recorded one. */

import { statSync } from "node:fs";
import { unusable } from "../../arguments.ts";
import { hugebarError } from "../../errors.ts";
import type { MachineRoots } from "../../vfio/sysfs/machine-roots.ts";
import { LIVE } from "./machine.ts";

/** What callers give. */
export interface GivenRoots {
  readonly proc?: string | undefined;
  readonly sys?: string | undefined;
}

/**
 * @param prefix what stands before `proc` and `sys` where a person gave them
 * @throws ERR_ARGUMENT when one of them is no folder
 */
export function rootsAt({ proc = LIVE.proc, sys = LIVE.sys }: GivenRoots, prefix = ""): MachineRoots {
  requireFolder(`${prefix}proc`, proc);
  requireFolder(`${prefix}sys`, sys);
  return { proc, sys };
}

function requireFolder(what: string, path: unknown): void {
  requirePath(what, path);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
  throw hugebarError("ERR_ARGUMENT", { what: `${what} ${path}`, problem: "there is no such folder" });
}

/** What `node:fs` takes for a path. @throws ERR_ARGUMENT for anything else */
export function requirePath(what: string, path: unknown): asserts path is string {
  if (typeof path === "string" && path !== "" && !path.includes("\0")) return;
  throw unusable(what, path, "it must be the path of a folder");
}
