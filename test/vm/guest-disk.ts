/**
 * The guest's RAM disk: the shared system, the kernel's modules, hugebar's sources with the tests, and the QEMUs asked
 * for, each an archive of its own, one after another.
 */

import { createWriteStream, globSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

import { MODE_PROGRAM } from "./initrd/cpio.ts";
import { Tree } from "./initrd/tree.ts";
import type { Machine } from "./machine/machine.ts";
import { artefacts } from "./provision/artefacts.ts";
import { type Artefact, folderOf, repository } from "./provision/cache.ts";
import { guestSystem } from "./provision/guest-system.ts";
import { type QemuRole, qemuRoot } from "./provision/qemu.ts";

export interface DiskOptions {
  readonly machine: Machine;
  /** The folder with the kernel's. */
  readonly modules: string;
  readonly qemus: readonly QemuRole[];
  readonly storageTools: boolean;
  readonly kvmGuest: boolean;
  /** Variables for the guest's init and tests. */
  readonly environment: Readonly<Record<string, string>>;
}

/** What the sources import at run time; koffi's binary comes with the system. */
const packages = ["koffi", "valibot"];

export async function writeGuestDisk(path: string, options: DiskOptions): Promise<void> {
  const modules = new Tree().files("modules", options.modules);
  const archives = [
    readFileSync(join(folderOf(guestSystem(options.machine)), "system.cpio")),
    modules.archive(),
    ...options.qemus.map((role) => rootOf(`qemu/${role}`, qemuRoot(role, options.machine.inner)).archive()),
    ...(options.kvmGuest ? [new Tree().files("kvm-guest", folderOf(artefacts["bar-reader"])).archive()] : []),
    ...(options.storageTools ? [rootOf("tools", artefacts["storage-tools"]).archive()] : []),
    hugebar(options).archive(),
  ];
  await pipeline(Readable.from(archives), createWriteStream(path));
}

/** What `chroot` runs programs in. */
function rootOf(name: string, artefact: Artefact): Tree {
  const tree = new Tree().files(name, folderOf(artefact));
  for (const folder of ["bin", "lib", "lib64"]) tree.link(`${name}/${folder}`, `usr/${folder}`);
  return tree;
}

function hugebar({ environment }: DiskOptions): Tree {
  const tree = new Tree();
  for (const name of ["package.json", "docs/json.md"]) tree.file(`hugebar/${name}`, join(repository, name));
  for (const name of globSync("{src,test,examples}/**/*.ts", { cwd: repository }).sort()) {
    tree.text(`hugebar/${name}`, withoutTypes(name));
  }
  // What an example's "hugebar" leads to.
  tree.text("hugebar/dist/index.js", 'export * from "../src/index.ts";\n');
  tree.text("hugebar/stripped.js", withoutTypes("test/vm/stripped.ts"));
  for (const folder of ["src", "test"])
    tree.files(`hugebar/${folder}`, join(repository, folder), "**/*.json");
  for (const name of packages) {
    tree.files(
      `hugebar/node_modules/${name}`,
      join(repository, "node_modules", name),
      "**/*.{js,cjs,mjs,node,json}",
    );
  }
  const exports = Object.entries(environment).map(
    ([name, value]) => `export ${name}='${value.replaceAll("'", String.raw`'\''`)}'\n`,
  );
  tree.text("hugebar/environment", exports.join(""));
  const init = readFileSync(join(repository, "test/vm/guest-init.sh"), "utf8");
  return tree.text("init", init, MODE_PROGRAM);
}

/** The source, each type replaced by spaces: `stripped.ts` says why. */
function withoutTypes(name: string): string {
  return stripTypeScriptTypes(readFileSync(join(repository, name), "utf8"));
}
