/**
 * The built kernel: Debian's source, `make tinyconfig` and `guest-kernel.config`, with `driver/` linked in.
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
import { dependenciesOf, fetchPackages, firstOf, unpack } from "./apt.ts";
import { inBuildRoot, type Workshop } from "./build-root.ts";
import { type Artefact, folderOf, repository } from "./cache.ts";
import { askingRelease, letItAsk } from "./asking-source.ts";
import { stable } from "./suites.ts";

/** Brings the source of the suite's own release, `linux-source-6.12` and the like. */
const sourcePackage = "linux-source";
/** How many that are is known only afterwards; so many were it of 6.12.117. */
const compiledFiles = 1250;

const configuration = join(repository, "test/vm/guest-kernel.config");
const driver = join(repository, "test/vm/driver");

/** The file that says by which name the kernel goes when it is told to ask. */
const askingName = "asking-release";

/** What the command line of the built kernel has, to tell it to ask the setting. */
export function toldToAsk(machine: Machine): string {
  const file = join(folderOf(builtKernel(machine)), askingName);
  const release = existsSync(file) ? readFileSync(file, "utf8") : "not-made-yet";
  return `hugebar_role.asks=1 hugebar_role.release=${release}`;
}

export function builtKernel({ kernelImage }: Machine): Artefact {
  return {
    name: "kernel-built",
    get recipe() {
      return [...stable, sourcePackage, ...contents()];
    },
    make(folder) {
      inBuildRoot("kernel", (workshop) => compile(workshop, kernelImage, folder));
    },
  };
}

function compile({ folder: tree, run }: Workshop, kernelImage: string, folder: string): void {
  const suites = firstOf(stable);
  const source = dependenciesOf(suites, sourcePackage).filter((name) => /^linux-source-\d/.test(name));
  fetchPackages(suites, source, tree);
  unpack(tree, tree);
  run("tar -xJf usr/src/linux-source-*.tar.xz --strip-components=1");
  addDriver(tree);
  const path = join(tree, "mm/huge_memory.c");
  writeFileSync(path, letItAsk(readFileSync(path, "utf8")));
  copyFileSync(configuration, join(tree, "guest-kernel.config"));
  run(
    "make tinyconfig && scripts/kconfig/merge_config.sh -m .config guest-kernel.config && make olddefconfig",
  );
  checkConfiguration(join(tree, ".config"));
  run(`make -j"$(nproc)" ${basename(kernelImage)}`, {
    progress: { title: "files of the kernel compiled", line: /^ {2}(?:CC|AS) /, expected: compiledFiles },
  });
  copyFileSync(join(tree, kernelImage), join(folder, "vmlinuz"));
  copyFileSync(join(tree, ".config"), join(folder, "config"));
  writeFileSync(join(folder, askingName), askingRelease(readFileSync(join(tree, "Makefile"), "utf8")));
  mkdirSync(join(folder, "modules"));
}

/** The text of what goes into the kernel from here. */
function contents(): string[] {
  const files = readdirSync(driver)
    .filter((name) => name !== "README.md")
    .sort();
  const change = join(repository, "test/vm/provision/asking-source.ts");
  return [configuration, change, ...files.map((name) => join(driver, name))].map((path) =>
    readFileSync(path, "utf8"),
  );
}

/** Puts the test driver beside the kernel's own variants of vfio-pci. */
function addDriver(tree: string): void {
  const variants = join(tree, "drivers/vfio/pci");
  cpSync(driver, join(variants, "hugebar-test"), { recursive: true });
  appendFileSync(join(variants, "Kconfig"), '\nsource "drivers/vfio/pci/hugebar-test/Kconfig"\n');
  appendFileSync(join(variants, "Makefile"), "\nobj-y += hugebar-test/\n");
}

/** `make olddefconfig` drops what the tree does not know or cannot have, without a word. */
function checkConfiguration(path: string): void {
  const wanted = readFileSync(configuration, "utf8").match(/^CONFIG_.*$/gm) ?? [];
  const got = new Set(readFileSync(path, "utf8").split("\n"));
  const missing = wanted.filter((line) => !got.has(line));
  if (missing.length > 0) throw new Error(`The kernel's tree refuses ${missing.join(", ")}`);
}
