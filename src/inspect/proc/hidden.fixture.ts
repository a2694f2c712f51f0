/**
 * Run in a mount namespace of its own: mounts a procfs with options and tells, as JSON, what root and nobody see in it.
 *
 * @example
 * unshare --mount node hidden.fixture.ts FOLDER hidepid=2
 */

import { execFileSync } from "node:child_process";
import { asNobody } from "./as-nobody.fixture.ts";
import { hidesProcesses } from "./hidden.ts";
import { listProcesses } from "./process.ts";

const [, , folder = "", options = ""] = process.argv;
execFileSync("mount", ["-t", "proc", "-o", options, "proc", folder]);

function look(): { readonly hides: boolean; readonly seesInit: boolean } {
  return { hides: hidesProcesses(folder), seesInit: listProcesses(folder).includes(1) };
}

const root = look();
process.setgroups?.([]);
process.setegid?.(65_534);
process.stdout.write(JSON.stringify({ root, nobody: asNobody(look) }));
