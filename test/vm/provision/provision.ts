/** Asks for artefacts from a test: made now if they are missing, in a process of its own that shows its progress. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

import { type ArtefactName, artefacts } from "./artefacts.ts";
import { isMade } from "./cache.ts";
import { isInstalled } from "./command.ts";

const neededPrograms = ["apt-get", "dpkg-deb", "flock", "setpriv", "ldd"];

/** Why this machine cannot provision anything, or null if it can. */
export function whyNotHere(): string | null {
  if (process.arch !== "x64") return `the guests are for x86-64, and this machine is ${process.arch}`;
  const missing = neededPrograms.filter((program) => !isInstalled(program));
  return missing.length === 0 ? null : `this machine has no ${missing.join(", ")}`;
}

export async function provision(names: readonly ArtefactName[]): Promise<void> {
  const missing = names.filter((name) => !isMade(artefacts[name]));
  if (missing.length === 0) return;
  const child = spawn(process.execPath, [join(import.meta.dirname, "main.ts"), ...missing], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  await once(child, "close");
  if (child.exitCode !== 0) throw new Error(`Cannot provision ${missing.join(", ")}: see the messages above`);
}
