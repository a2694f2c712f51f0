/**
 * The built kernels: Debian's source, `make tinyconfig` and configurations of ours, with `driver/` linked in.
 */

import {
  appendFileSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";

import type { Machine } from "../machine/machine.ts";
import { dependenciesOf, fetchPackages, firstOf, type Source, type Suites, unpack } from "./apt.ts";
import { buildRoot, crossBuildRoot, inBuildRoot, type Workshop } from "./build-root.ts";
import { type Artefact, folderOf, repository } from "./cache.ts";
import { askingRelease, letItAsk } from "./asking-source.ts";

/** Brings the source of the suite's own release, `linux-source-6.12` and the like. */
const sourcePackage = "linux-source";
/** How many that are is known only afterwards; so many were it of 6.12.117. */
const compiledFiles = 1250;

const driver = join(repository, "test/vm/driver");

/** The file that says by which name the kernel goes when it is told to ask. */
const askingName = "asking-release";

/** What the command line of a built kernel has, to tell it to ask the setting. */
export function toldToAsk(kernel: Artefact): string {
  const file = join(folderOf(kernel), askingName);
  const release = existsSync(file) ? readFileSync(file, "utf8") : "not-made-yet";
  return `hugebar_role.asks=1 hugebar_role.release=${release}`;
}

export interface KernelRecipe {
  readonly machine: Machine;
  /** Whose source, the suite preferred first. */
  readonly candidates: readonly Suites[];
  /** Below test/vm, each on top of those before it. */
  readonly configurations: readonly string[];
}

export function builtKernel(name: string, { machine, candidates, configurations }: KernelRecipe): Artefact {
  const texts = () => configurations.map((file) => readFileSync(join(repository, "test/vm", file), "utf8"));
  return {
    name,
    get recipe() {
      return [...candidates, sourcePackage, ...texts(), ...changes()];
    },
    make(folder) {
      const root = machine.crossCompile === "" ? buildRoot : crossBuildRoot;
      const from = { machine, archive: firstOf(candidates), configuration: texts().join("") };
      inBuildRoot(name, (workshop) => compile(workshop, from, folder), root);
    },
  };
}

function compile(
  { folder: tree, run }: Workshop,
  { machine, archive, configuration }: { machine: Machine; archive: Source; configuration: string },
  folder: string,
): void {
  const { kernelImage, kernelArch, crossCompile } = machine;
  const source = dependenciesOf(archive, sourcePackage).filter((name) => /^linux-source-\d/.test(name));
  fetchPackages(archive, source, tree);
  unpack(tree, tree);
  run("tar -xJf usr/src/linux-source-*.tar.xz --strip-components=1");
  addDriver(tree);
  const path = join(tree, "mm/huge_memory.c");
  writeFileSync(path, letItAsk(readFileSync(path, "utf8")));
  writeFileSync(join(tree, "guest-kernel.config"), configuration);
  const make = `make ARCH=${kernelArch} CROSS_COMPILE=${crossCompile}`;
  run(
    `export ARCH=${kernelArch}
    ${make} tinyconfig
    scripts/kconfig/merge_config.sh -m .config guest-kernel.config
    ${make} olddefconfig`,
  );
  checkConfiguration(join(tree, ".config"), configuration);
  run(`${make} -j"$(nproc)" ${basename(kernelImage)}`, {
    progress: { title: "files of the kernel compiled", line: /^ {2}(?:CC|AS) /, expected: compiledFiles },
  });
  copyFileSync(join(tree, kernelImage), join(folder, "vmlinuz"));
  copyFileSync(join(tree, ".config"), join(folder, "config"));
  writeFileSync(join(folder, askingName), askingRelease(readFileSync(join(tree, "Makefile"), "utf8")));
  mkdirSync(join(folder, "modules"));
}

/** The texts of what goes into the kernel from here. */
function changes(): string[] {
  const files = readdirSync(driver)
    .filter((name) => name !== "README.md")
    .sort();
  const change = join(repository, "test/vm/provision/asking-source.ts");
  return [change, ...files.map((name) => join(driver, name))].map((path) => readFileSync(path, "utf8"));
}

/** Puts the test driver beside the kernel's own variants of vfio-pci. */
function addDriver(tree: string): void {
  const variants = join(tree, "drivers/vfio/pci");
  cpSync(driver, join(variants, "hugebar-test"), { recursive: true });
  appendFileSync(join(variants, "Kconfig"), '\nsource "drivers/vfio/pci/hugebar-test/Kconfig"\n');
  appendFileSync(join(variants, "Makefile"), "\nobj-y += hugebar-test/\n");
}

/** `make olddefconfig` drops what the tree does not know or cannot have, without a word. */
function checkConfiguration(path: string, configuration: string): void {
  const wanted = configuration.match(/^CONFIG_.*$/gm) ?? [];
  const got = new Set(readFileSync(path, "utf8").split("\n"));
  const missing = wanted.filter((line) => !got.has(line));
  if (missing.length > 0) throw new Error(`The kernel's tree refuses ${missing.join(", ")}`);
}
