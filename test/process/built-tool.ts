/** The built tool, run as a user runs it: as a process of its own. */

import { execFileSync, spawn, spawnSync, type ChildProcess, type SpawnSyncReturns } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

export interface BuiltTool {
  /** The path of the tool's entry, `dist/cli/main.js`. */
  readonly main: string;
  /** Runs the tool to its end. */
  run(words: readonly string[], options?: RunOptions): SpawnSyncReturns<string>;
  /** Starts the tool and leaves it running. */
  start(words: readonly string[], env?: Readonly<Record<string, string>>): ChildProcess;
  /** Removes the build. */
  remove(): void;
}

export interface RunOptions {
  /** The Node to run it with; this one by default. */
  readonly node?: string;
  readonly nodeOptions?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Builds the tool into a folder of its own, so that tests side by side do not disturb each other or `dist/`. */
export function buildTool(): BuiltTool {
  mkdirSync(`${root}.cache`, { recursive: true });
  // Below the repository, so that the build finds node_modules as an installed package would.
  const folder = mkdtempSync(`${root}.cache/built-`);
  symlinkSync(`${root}package.json`, `${folder}/package.json`);
  execFileSync(process.execPath, [
    `${root}node_modules/typescript/bin/tsc`,
    "-p",
    `${root}tsconfig.build.json`,
    "--outDir",
    `${folder}/dist`,
  ]);
  execFileSync(process.execPath, [`${root}build/finish.ts`, `${folder}/dist`], { cwd: root });
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
    remove: () => {
      rmSync(folder, { recursive: true });
    },
  };
}
