/** What compiles for the guests: a compiler and its tools in a root of Debian packages, so that the machine needs none. */

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { firstOf, installInto } from "./apt.ts";
import { type Artefact, obtain } from "./cache.ts";
import { runInside } from "./roots.ts";
import { stable } from "./suites.ts";

const tools = [
  "base-files bash coreutils dash diffutils findutils grep gzip mawk sed tar",
  "bc bison flex gcc kmod libc6-dev libelf-dev make perl xz-utils",
  // For the kernel's types (BTF).
  "pahole python3-minimal zlib1g-dev",
].flatMap((names) => names.split(" "));

function rootWith(name: string, packages: readonly string[]): Artefact {
  return {
    name,
    recipe: [...stable, ...packages],
    make(folder) {
      installInto(folder, firstOf(stable), packages);
      // The package's own script makes this link when it is installed.
      runInside(folder, "ln -sf mawk /usr/bin/awk");
    },
  };
}

export const buildRoot = rootWith("build-root", tools);

/** The same for what is compiled for arm64. */
export const crossBuildRoot = rootWith("build-root-arm64", [...tools, "gcc-aarch64-linux-gnu"]);

/** A folder in the build root, and what runs commands of the shell in it. */
export interface Workshop {
  readonly folder: string;
  readonly run: (commands: string, options?: Parameters<typeof runInside>[2]) => void;
}

/** Lends an empty folder in the build root. What fails leaves it, to be looked at, until the next by that name. */
export function inBuildRoot(name: string, use: (workshop: Workshop) => void, artefact = buildRoot): void {
  const root = obtain(artefact);
  const folder = join(root, "root", name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  use({ folder, run: (commands, options) => runInside(root, `cd /root/${name} && ${commands}`, options) });
  rmSync(folder, { recursive: true });
}
