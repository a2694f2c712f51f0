/** The built tool, run as a user runs it: as a process of its own. */

import { execFileSync, spawn, spawnSync, type ChildProcess, type SpawnSyncReturns } from "node:child_process";
import { symlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { madeOnce } from "../made-once.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

export interface BuiltTool {
  /** The path of the tool's entry, `dist/cli/main.js`. */
  readonly main: string;
  /** Runs the tool to its end. */
  run(words: readonly string[], options?: RunOptions): SpawnSyncReturns<string>;
  /** Starts the tool and leaves it running. */
  start(words: readonly string[], env?: Readonly<Record<string, string>>): ChildProcess;
}

export interface RunOptions {
  /** The Node to run it with; this one by default. */
  readonly node?: string;
  readonly nodeOptions?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The tool as a package has it; where it has not been built from these sources yet, it is. */
export function buildTool(): BuiltTool {
  // Below the repository, so that the build finds node_modules as an installed package would.
  const folder = madeOnce("built", (draft) => {
    symlinkSync(`${root}package.json`, `${draft}/package.json`);
    execFileSync(process.execPath, [
      `${root}node_modules/typescript/bin/tsc`,
      "-p",
      `${root}tsconfig.build.json`,
      "--outDir",
      `${draft}/dist`,
    ]);
    execFileSync(process.execPath, [`${root}build/finish.ts`, `${draft}/dist`], { cwd: root });
  });
  const main = `${folder}/dist/cli/main.js`;
  return {
    main,
    run: (words, { node = process.execPath, nodeOptions = [], env = {} } = {}) =>
      spawnSync(node, [...nodeOptions, main, ...words], {
        encoding: "utf8",
        env: { ...process.env, LC_ALL: "C.UTF-8", ...env },
        timeout: 60_000,
      }),
    start: (words, env = {}) =>
      spawn(process.execPath, [main, ...words], {
        env: { ...process.env, LC_ALL: "C.UTF-8", ...env },
        stdio: ["ignore", "pipe", "pipe"],
      }),
  };
}
