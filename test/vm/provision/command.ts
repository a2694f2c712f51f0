/** Runs the programs that provisioning needs; one that fails throws with the end of what it printed. */

import { spawnSync } from "node:child_process";

const shownLines = 40;

export interface CommandOptions {
  readonly folder?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Runs a program to its end and returns its standard output. */
export function run(program: string, arguments_: readonly string[], options: CommandOptions = {}): string {
  const { status, signal, stdout, stderr, error } = spawnSync(program, arguments_, {
    cwd: options.folder,
    env: { ...process.env, LC_ALL: "C", ...options.environment },
    encoding: "utf8",
    maxBuffer: 2 ** 30,
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (error !== undefined) throw new Error(`Cannot run ${program}: ${error.message}`, { cause: error });
  if (status !== 0) {
    const end = `${stdout}${stderr}`.trimEnd().split("\n").slice(-shownLines).join("\n");
    const ending = signal === null ? `ended with status ${status}` : `was ended by ${signal}`;
    throw new Error(`${program} ${arguments_.join(" ")} ${ending}:\n${end}`);
  }
  return stdout;
}

export function isInstalled(program: string): boolean {
  return spawnSync("sh", ["-c", 'command -v "$1"', "sh", program], { stdio: "ignore" }).status === 0;
}
