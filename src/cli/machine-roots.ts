/** Reads `--proc` and `--sys`. */

import { statSync } from "node:fs";
import { hugebarError } from "../errors.ts";
import { LIVE } from "../inspect/proc/machine.ts";
import type { MachineRoots } from "../vfio/device-uses.ts";

interface RootOptions {
  readonly proc: string | undefined;
  readonly sys: string | undefined;
}

/** @throws ERR_ARGUMENT when one of them is no folder */
export function machineRoots({ proc = LIVE.proc, sys = LIVE.sys }: RootOptions): MachineRoots {
  for (const [option, path] of [
    ["--proc", proc],
    ["--sys", sys],
  ] as const) {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) continue;
    throw hugebarError("ERR_ARGUMENT", { what: `${option} ${path}`, problem: "there is no such folder" });
  }
  return { proc, sys };
}
