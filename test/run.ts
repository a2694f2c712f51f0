/**
 * Runs the tests: all of them, or those below the folders given (`node test/run.ts src/layout`). Everything after
 * `--` goes to `node --test`, for example `node test/run.ts src -- --test-name-pattern roll-back`.
 */

import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";

const split = process.argv.indexOf("--");
const folders = process.argv.slice(2, split === -1 ? undefined : split);
const options = split === -1 ? [] : process.argv.slice(split + 1);
const files = (folders.length === 0 ? ["src", "test", "examples", "bench"] : folders)
  .flatMap((folder) => (folder.endsWith(".test.ts") ? [folder] : globSync(`${folder}/**/*.test.ts`)))
  .sort();

if (files.length === 0) {
  process.stderr.write(`no tests in ${folders.join(", ")}\n`);
  process.exit(2);
}

const { status, signal } = spawnSync(
  process.execPath,
  [
    "--test",
    // Guests get sources whose types Node has removed (test/vm/guest-disk.ts), which it calls experimental.
    "--disable-warning=ExperimentalWarning",
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter=./test/closing-line.ts",
    "--test-reporter-destination=stdout",
    ...options,
    ...files,
  ],
  { stdio: "inherit" },
);
process.exit(signal === null ? (status ?? 1) : 1);
