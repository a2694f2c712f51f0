/**
 * Runs the tests: all of them, or those below the folders given (`node test/run.ts src/layout`). Everything after
 * `--` goes to `node --test`, for example `node test/run.ts src -- --test-name-pattern roll-back`.
 *
 * What needs no kernel comes first, then what runs in guests or by QEMU. When all is run, the test bed's cache is filled
 * meanwhile, with what the first tests leave of the processors; its progress is shown after them. The long matrix of kernels
 * (`test/kernels`) is run only where it is named.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";

import { whyNotHere } from "./vm/provision/provision.ts";

const split = process.argv.indexOf("--");
const folders = process.argv.slice(2, split === -1 ? undefined : split);
const options = split === -1 ? [] : process.argv.slice(split + 1);
const files = (folders.length === 0 ? ["src", "test", "examples", "bench"] : folders)
  .flatMap((folder) => (folder.endsWith(".test.ts") ? [folder] : globSync(`${folder}/**/*.test.ts`)))
  .filter((file) => folders.length > 0 || !file.startsWith("test/kernels/"))
  .sort();

if (files.length === 0) {
  process.stderr.write(`no tests in ${folders.join(", ")}\n`);
  process.exit(2);
}

const byQemu = files.filter((file) => /^test\/(?:vm|interop|kernels)\/[^/]+$/.test(file));
const others = files.filter((file) => !byQemu.includes(file));
const folder = mkdtempSync(join(tmpdir(), "hugebar-tests-"));
try {
  const filling = folders.length === 0 && whyNotHere() === null ? fillCache() : null;
  const first = await run("first", others);
  await filling?.show();
  const second = await run("second", byQemu);
  const [passed, failed, skipped] = first.counts.map((count, index) => count + (second.counts[index] ?? 0));
  // Continuous integration reads this line.
  process.stdout.write(`${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}\n`);
  process.exitCode = first.status === 0 ? second.status : first.status;
} finally {
  rmSync(folder, { recursive: true });
}

/** Runs test files; how many tests passed, failed and were skipped. */
async function run(
  name: string,
  tests: readonly string[],
): Promise<{ status: number; counts: readonly number[] }> {
  if (tests.length === 0) return { status: 0, counts: [0, 0, 0] };
  const tally = join(folder, name);
  const child = spawn(
    process.execPath,
    [
      "--test",
      // Node leaves one processor free, which is half of a machine with two; an emulated guest rarely needs more than one.
      `--test-concurrency=${availableParallelism()}`,
      // Guests get sources whose types Node has removed (test/vm/guest-disk.ts), which it calls experimental.
      "--disable-warning=ExperimentalWarning",
      "--test-reporter=spec",
      "--test-reporter-destination=stdout",
      "--test-reporter=./test/tally.ts",
      `--test-reporter-destination=${tally}`,
      ...options,
      ...tests,
    ],
    { stdio: "inherit" },
  );
  await once(child, "close");
  // Written at the end, and so not by a run that was ended.
  const counts = existsSync(tally) ? readFileSync(tally, "utf8").split(" ").map(Number) : [0, 0, 0];
  return { status: child.exitCode ?? 1, counts };
}

/**
 * Tests would do it one by one, each waiting for its own. Whatever fails here fails there as well, and is told there.
 */
function fillCache(): { readonly show: () => Promise<void> } {
  const program = join(import.meta.dirname, "vm/provision/main.ts");
  const child = spawn(
    "nice",
    ["-n", "10", process.execPath, "--disable-warning=ExperimentalWarning", program],
    {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...(process.stderr.isTTY && { TEST_BED_DRAWS: "1" }) },
    },
  );
  const closed = once(child, "close");
  let kept: string | null = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      if (kept === null) process.stderr.write(text);
      else kept += text;
    });
  }
  return {
    async show() {
      // Of a line that was drawn again and again the last one counts.
      process.stderr.write((kept ?? "").replace(/[^\n]*\r/g, ""));
      kept = null;
      await closed;
    },
  };
}
