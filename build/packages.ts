/**
 * Makes the distributions' packages of the executable: `node build/packages.ts [--arch x64|arm64] [--output DIR]`, with
 * dpkg-deb for .deb and rpmbuild for .rpm. The same sources give the same bytes: times are those of the last commit.
 */

import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildExecutable } from "./executable.ts";
import { commonFiles, debianFiles, rpmFiles, writeTree, type Packed } from "./packages/contents.ts";
import { buildDeb } from "./packages/deb.ts";
import { buildRpm } from "./packages/rpm.ts";
import { sourceDate } from "./source-date.ts";

/** What each packager calls an architecture. */
const NAMES: Readonly<Record<string, { readonly deb: string; readonly rpm: string }>> = {
  x64: { deb: "amd64", rpm: "x86_64" },
  arm64: { deb: "arm64", rpm: "aarch64" },
};

/** How hard the packagers' compressors work; `quick` is for tests, which unpack each package once. */
const LEVELS = {
  best: { deb: ["xz", 6], rpm: 19 },
  quick: { deb: ["gzip", 1], rpm: 1 },
} as const;

export interface PackageOptions {
  /** The executable that is packed. */
  readonly executable: string;
  /** What it was made for: `x64`, `arm64`. */
  readonly arch: string;
  /** The folder that gets the packages. */
  readonly output: string;
  readonly compression?: keyof typeof LEVELS;
}

/** Makes both packages; returns their paths. */
export function buildPackages({ executable, arch, output, compression = "best" }: PackageOptions): string[] {
  const names = NAMES[arch];
  if (names === undefined) throw new Error(`There are no packages for ${arch}: x64 and arm64 there are`);
  const levels = LEVELS[compression];
  const work = mkdtempSync(join(tmpdir(), "hugebar-packages-"));
  try {
    const seconds = sourceDate();
    mkdirSync(output, { recursive: true });
    const stage = (name: string, own: readonly Packed[]): string => {
      const staged = join(work, `root-${name}`);
      mkdirSync(join(staged, "usr/bin"), { recursive: true });
      copyFileSync(executable, join(staged, "usr/bin/hugebar"));
      chmodSync(join(staged, "usr/bin/hugebar"), 0o755);
      writeTree(staged, [...commonFiles(), ...own]);
      execFileSync("find", [staged, "-exec", "touch", "-h", "-d", `@${seconds}`, "{}", "+"]);
      return staged;
    };
    return [
      buildDeb(stage("deb", debianFiles(seconds)), names.deb, output, { seconds, compression: levels.deb }),
      buildRpm(stage("rpm", rpmFiles()), names.rpm, output, work, { seconds, level: levels.rpm }),
    ];
  } finally {
    rmSync(work, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      arch: { type: "string", default: process.arch },
      output: { type: "string", default: "dist/packages" },
    },
  });
  const folder = mkdtempSync(join(tmpdir(), "hugebar-packages-"));
  try {
    const executable = join(folder, "hugebar");
    await buildExecutable({ arch: values.arch, output: executable });
    const files = buildPackages({ executable, arch: values.arch, output: resolve(values.output) });
    for (const file of files) process.stdout.write(`${file}\n`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
