/** Runs the programs that provisioning needs; one that fails throws with the end of what it printed. */

import { spawnSync } from "node:child_process";
import { join } from "node:path";

const shownLines = 40;

export interface CommandOptions {
  readonly folder?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Has it counted, for people who wait, how many lines of what it prints so far are like `line`. */
  readonly progress?: { readonly title: string; readonly line: RegExp; readonly expected: number };
}

/** Runs a program to its end and returns its standard output. */
export function run(program: string, arguments_: readonly string[], options: CommandOptions = {}): string {
  const [shown = "", ...words] = [...shownBy(options), program, ...arguments_];
  const { status, signal, stdout, stderr, error } = spawnSync(shown, words, {
    cwd: options.folder,
    env: { ...process.env, LC_ALL: "C", ...options.environment },
    encoding: "utf8",
    maxBuffer: 2 ** 30,
    stdio: ["ignore", "pipe", options.progress === undefined ? "pipe" : "inherit"],
  });
  if (error !== undefined) throw new Error(`Cannot run ${program}: ${error.message}`, { cause: error });
  if (status !== 0) {
    const end = `${stdout}${stderr ?? ""}`.trimEnd().split("\n").slice(-shownLines).join("\n");
    const ending = signal === null ? `ended with status ${status}` : `was ended by ${signal}`;
    throw new Error(`${program} ${arguments_.join(" ")} ${ending}:\n${end}`);
  }
  return stdout;
}

/** What stands before the program, to have `show-progress.ts` behind it. */
function shownBy({ progress }: CommandOptions): string[] {
  if (progress === undefined) return [];
  const pipe = 'show=("${@:1:5}"); shift 5; "$@" 2>&1 | "${show[@]}"';
  const show = [process.execPath, join(import.meta.dirname, "show-progress.ts")];
  const { title, line, expected } = progress;
  return ["bash", "-o", "pipefail", "-c", pipe, "bash", ...show, title, line.source, String(expected)];
}

export function isInstalled(program: string): boolean {
  return spawnSync("sh", ["-c", 'command -v "$1"', "sh", program], { stdio: "ignore" }).status === 0;
}
