/**
 * Runs the tests on the other Nodes that hugebar supports: the oldest one exactly, and the newest of the release line
 * between it and the pinned one. Arguments are those of `test/run.ts`; without any, what does not boot a machine runs.
 */

import { execFileSync, spawnSync } from "node:child_process";

const versions = ["22.18.0", "24"];
const chosen = process.argv.slice(2);
const tests = chosen.length > 0 ? chosen : ["src", "test/process", "examples", "bench"];

for (const version of versions) {
  const node = execFileSync(
    "npm",
    ["exec", "--yes", `--package=node@${version}`, "--", "node", "--print", "process.execPath"],
    { encoding: "utf8" },
  ).trim();
  const release = execFileSync(node, ["--version"], { encoding: "utf8" }).trim();
  process.stdout.write(`\nNode ${release}\n`);
  const { status } = spawnSync(node, ["test/run.ts", ...tests], { stdio: "inherit" });
  if (status !== 0) process.exit(1);
}
