/** The start of the tool: what a user waits for before anything happens. */

import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { comparePairs, timed, type Side } from "../pairs.ts";
import type { Row } from "../row.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** One process of this Node after another. */
function runs(args: readonly string[]): Side {
  return timed((count) => {
    for (let run = 0; run < count; run += 1) {
      const { status } = spawnSync(process.execPath, args, { stdio: "ignore", cwd: ROOT });
      if (status !== 0) throw new Error(`node ${args.join(" ")} ended with ${status}`);
    }
  });
}

export const toolStart: Row = {
  name: "start",
  what: "start of the tool, `hugebar --version`",
  against: "`node -e 0`",
  bar: { kind: "ratio", most: 1.5 },
  async measure() {
    execFileSync("npm", ["run", "--silent", "build"], { cwd: ROOT, stdio: "inherit" });
    return comparePairs(runs(["dist/cli/main.js", "--version"]), runs(["-e", "0"]), { pairs: 31, count: 1 });
  },
};
