/**
 * Runs `hugebar conform` on a kernel that somebody has built, in an emulated machine with a BAR of 64 GiB:
 *
 *     npm run conform -- --kernel ~/linux/arch/x86/boot/bzImage
 *     npm run conform -- --kernel ~/linux/arch/arm64/boot/Image --modules DIR -- --risk-oops
 *
 * What follows `--` goes to `hugebar conform`. The report is on standard output, the exit code is its own (docs/conform.md); 2 for a
 * wrong call, 3 where this machine cannot emulate, 6 where the guest ended without a report.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { readOutcome } from "./conform-outcome.ts";
import { pciTestdev } from "./devices.ts";
import { bootableIn } from "./given-kernel.ts";
import { bootGuest } from "./guest.ts";
import { whyNotHere } from "./provision/provision.ts";

const USAGE =
  "Usage: npm run conform -- --kernel bzImage|Image [--modules DIR] [--append TEXT] [--seconds N] [-- WORDS]";
/** Of the guest's console where there is no report. */
const SHOWN_LINES = 25;

process.exitCode = await main(process.argv.slice(2));

async function main(words: readonly string[]): Promise<number> {
  const end = words.indexOf("--");
  const own = end === -1 ? words : words.slice(0, end);
  const passedOn = end === -1 ? [] : words.slice(end + 1);
  const options = read(own);
  if (options === null) return complain(USAGE, 2);
  const obstacle = whyNotHere();
  if (obstacle !== null) return complain(obstacle, 3);
  const folder = ownFolder();
  try {
    return await run(folder, options, passedOn);
  } catch (error) {
    return complain(error instanceof Error ? error.message : String(error), 2);
  }
}

/** A folder for all that a run writes, the guest's files among it; gone with this process, also where a signal ends that. */
function ownFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-conform-"));
  process.env["TMPDIR"] = folder;
  // The kernel ends QEMU together with this process, which may write until then.
  process.on("exit", () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => process.exit(128 + constants.signals[signal]));
  return folder;
}

interface Options {
  readonly kernel: string;
  readonly modules: string | null;
  readonly append: string;
  readonly seconds: number;
}

/** Null for what is no call of this. */
function read(words: readonly string[]): Options | null {
  try {
    const { values } = parseArgs({
      args: [...words],
      options: {
        kernel: { type: "string" },
        modules: { type: "string" },
        append: { type: "string", default: "" },
        seconds: { type: "string", default: "900" },
      },
    });
    const { kernel, modules = null, append, seconds } = values;
    if (kernel === undefined || !/^[1-9]\d{0,4}$/.test(seconds)) return null;
    return { kernel, modules, append, seconds: Number(seconds) };
  } catch {
    return null;
  }
}

async function run(folder: string, options: Options, words: readonly string[]): Promise<number> {
  const { kernel, modules, append, seconds } = options;
  const report = await bootGuest(bootableIn(folder, { image: kernel, modules }), {
    tests: ["test/vm/guest/conform-once.guest.ts"],
    devices: [pciTestdev(0x10, "64G")],
    append,
    timeLimitSeconds: seconds,
    environment: { CONFORM_WORDS: JSON.stringify(words) },
  });
  const outcome = readOutcome(report.diagnostics);
  if (outcome !== null) {
    process.stdout.write(outcome.stdout);
    process.stderr.write(outcome.stderr);
    if (outcome.status !== null) return outcome.status;
    return complain(`hugebar conform was ended by ${outcome.signal}\n${endOf(report.console)}`, 6);
  }
  const failure = report.tests.find((test) => test.failure !== null)?.failure?.message;
  const why = failure ?? report.problem ?? "the guest said nothing";
  return complain(`No report from this kernel: ${why}\n${endOf(report.console)}`, 6);
}

function endOf(console: string): string {
  if (console.trim() === "")
    return "The guest's console is empty: the image may be damaged, or lack what it takes to be heard (CONFIG_SERIAL_8250_CONSOLE, on arm64 CONFIG_SERIAL_AMBA_PL011_CONSOLE)";
  const lines = console.trimEnd().split("\n");
  return ["The end of the guest's console:", ...lines.slice(-SHOWN_LINES)].join("\n");
}

function complain(text: string, code: number): number {
  process.stderr.write(`${text}\n`);
  return code;
}
