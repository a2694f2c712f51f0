/** Rows that run the built tool, or another program, as a user does: from start to end. */

import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { timed, type Side } from "./pairs.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Runs the program to its end, as often as asked; its output goes nowhere. */
export function runs(program: string, args: readonly string[]): Side {
  return timed((count) => {
    for (let run = 0; run < count; run += 1) {
      const { status } = spawnSync(program, args, { stdio: "ignore", cwd: ROOT });
      if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${status}`);
    }
  });
}

/** Builds the tool; then it is run as `runs` does. */
export function builtTool(args: readonly string[]): Side {
  execFileSync("npm", ["run", "--silent", "build"], { cwd: ROOT, stdio: "inherit" });
  return runs(process.execPath, ["dist/cli/main.js", ...args]);
}
