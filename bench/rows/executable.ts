/** The standalone executable beside Node and the built tool, which do the same. */

import { globSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildExecutable } from "../../build/executable.ts";
import { comparePairs } from "../pairs.ts";
import type { Row } from "../row.ts";
import { builtTool, runs } from "../tool.ts";

/** What the tool needs beside Node, for this machine: itself, its packages and koffi's one binary. */
const TOOL = [
  "dist/**/*.js",
  "node_modules/{bcryptjs,koffi,prom-client,valibot,yaml}/**/*.{js,cjs,mjs}",
  `node_modules/@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`,
];

async function withExecutable<Result>(use: (executable: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-bench-"));
  try {
    const executable = join(folder, "hugebar");
    await buildExecutable({ arch: process.arch, output: executable });
    return await use(executable);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export const executableStart: Row = {
  name: "executable-start",
  what: "start of the standalone executable, `hugebar --version`",
  against: "`node dist/cli/main.js --version`",
  bar: { kind: "ratio", most: 1.5 },
  measure: () =>
    withExecutable((executable) =>
      comparePairs(runs(executable, ["--version"]), builtTool(["--version"]), { pairs: 31, count: 1 }),
    ),
};

export const executableSize: Row = {
  name: "executable-size",
  what: "the standalone executable's file",
  against: "Node's, the built tool's and its packages' files",
  bar: { kind: "size", most: 1 },
  measure: () =>
    withExecutable((executable) => {
      const hugebar = statSync(executable).size;
      const others = TOOL.flatMap((pattern) => globSync(pattern));
      const peer = [process.execPath, ...others].reduce((sum, path) => sum + statSync(path).size, 0);
      return Promise.resolve({ hugebar, peer, ratio: hugebar / peer, extra: null });
    }),
};
