/** What is read of the whole machine, once for all functions that are looked at. */

import type { MachineRoots } from "../../sysfs/machine-roots.ts";
import type { System } from "../../../system/system.ts";
import { type Export, readExports } from "./exports.ts";
import { readMounts, type Mounts } from "./mounts.ts";
import { heldFiles, type HeldFiles } from "./processes.ts";
import { sshLogin } from "./ssh-login.ts";

export interface Survey {
  readonly roots: MachineRoots;
  /** Makes the exclusive opens of disks, on this machine only. */
  readonly system: Pick<System, "open" | "close">;
  readonly held: () => HeldFiles;
  readonly mounts: () => Mounts;
  readonly exports: () => readonly Export[];
  /** `SSH_CONNECTION` of the shell that this runs in; null where it is no SSH login, or a recorded machine. */
  readonly login: () => string | null;
}

export function surveyOf(roots: MachineRoots, system: Pick<System, "open" | "close">): Survey {
  return {
    roots,
    system,
    held: once(() => heldFiles(roots)),
    mounts: once(() => readMounts(roots)),
    exports: once(() => readExports(roots)),
    login: once(() => sshLogin(roots)),
  };
}

function once<Value>(read: () => Value): () => Value {
  let kept: { readonly value: Value } | null = null;
  return () => {
    kept ??= { value: read() };
    return kept.value;
  };
}
