/**
 * The part of the guest's RAM disk that all guests share: busybox, Node with its shared libraries, and koffi's binary. It is
 * not compressed: QEMU hands it over in no time, and unpacking would run in emulation.
 */

import { globSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

import * as v from "valibot";

import { Tree } from "../initrd/tree.ts";
import type { Machine } from "../machine/machine.ts";
import { fetchPackages, firstOf, unpack } from "./apt.ts";
import { busybox, busyboxPath, fetchBusybox } from "./busybox.ts";
import { type Artefact, repository } from "./cache.ts";
import { run } from "./command.ts";
import { stable } from "./suites.ts";

/** What Node is linked to, in Debian's packages. */
const libraryPackages = ["libc6", "libgcc-s1", "libstdc++6", "libatomic1"];

export function guestSystemName({ crossCompile }: Pick<Machine, "crossCompile">) {
  return crossCompile === "" ? "guest-system" : "guest-system-arm64";
}

export function guestSystem(machine: Machine): Artefact {
  return machine.crossCompile === "" ? ownSystem(machine) : foreignSystem(machine);
}

/** With the Node that runs this, and its libraries. */
function ownSystem(machine: Machine): Artefact {
  return {
    name: guestSystemName(machine),
    get recipe() {
      const files = [process.execPath, ...sharedLibraries(process.execPath)];
      return [
        ...busybox.recipe,
        process.version,
        koffiVersion(),
        ...files.map((path) => `${basename(path)} ${statSync(path).size}`),
      ];
    },
    make(folder) {
      const tree = new Tree().file("bin/busybox", busyboxPath()).file("bin/node", process.execPath);
      for (const library of sharedLibraries(process.execPath)) tree.file(library.slice(1), library);
      writeSystem(folder, tree, machine, join(repository, "node_modules"));
    },
  };
}

/** With the same versions from npm's registry, and libraries from Debian. */
function foreignSystem(machine: Machine): Artefact {
  const { debian, node } = machine;
  return {
    name: guestSystemName(machine),
    get recipe() {
      return [...busybox.recipe, ...stable, ...libraryPackages, debian, process.version, koffiVersion()];
    },
    make(folder) {
      const [system, packages] = [join(folder, "system"), join(folder, "packages")];
      for (const each of [system, packages]) mkdirSync(each);
      fetchBusybox(folder, debian);
      fetchPackages(firstOf(stable, debian), libraryPackages, packages);
      unpack(packages, system);
      const wanted = [
        `node-linux-${node}@${process.version.slice(1)}`,
        `${koffiOf(machine)}@${koffiVersion()}`,
      ];
      writeFileSync(join(packages, "package.json"), '{ "private": true }\n');
      // By force: npm would refuse packages for another architecture.
      const words = ["install", "--force", "--no-audit", "--no-fund", "--ignore-scripts", ...wanted];
      run("npm", words, { folder: packages });
      const modules = join(packages, "node_modules");
      const tree = new Tree()
        .file("bin/busybox", join(folder, "busybox"))
        .file("bin/node", join(modules, `node-linux-${node}/bin/node`));
      // Where the loader looks, without a cache of its own.
      for (const library of globSync("usr/lib/{,*-linux-gnu/}*.so*", { cwd: system })) {
        tree.file(`lib/${basename(library)}`, join(system, library));
      }
      writeSystem(folder, tree, machine, modules);
      for (const each of [system, packages]) rmSync(each, { recursive: true });
      rmSync(join(folder, "busybox"));
    },
  };
}

function writeSystem(folder: string, tree: Tree, machine: Machine, modules: string): void {
  const koffi = koffiOf(machine);
  tree.files(`hugebar/node_modules/${koffi}`, join(modules, koffi), "**/*.{js,cjs,mjs,node,json}");
  for (const name of ["dev", "proc", "sys", "tmp", "run", "root"]) tree.folder(name);
  writeFileSync(join(folder, "system.cpio"), tree.archive());
}

/** The package of koffi's binary. */
function koffiOf({ node }: Machine): string {
  return `@koromix/koffi-linux-${node}`;
}

function koffiVersion(): string {
  const text = readFileSync(join(repository, "node_modules/koffi/package.json"), "utf8");
  return v.parse(v.object({ version: v.string() }), JSON.parse(text)).version;
}

function sharedLibraries(program: string): string[] {
  const listed = run("ldd", [program]).matchAll(/ => (\/\S+) \(|^\s*(\/\S+) \(/gm);
  return [...listed].map(([, library, loader]) => library ?? loader ?? "");
}
