/**
 * The part of the guest's RAM disk that all guests share: busybox, and this Node with its shared libraries. It is not
 * compressed: QEMU hands it over in no time, and unpacking would run in emulation.
 */

import { statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

import { Tree } from "../initrd/tree.ts";
import { busybox, busyboxPath } from "./busybox.ts";
import type { Artefact } from "./cache.ts";
import { run } from "./command.ts";

export const guestSystem: Artefact = {
  name: "guest-system",
  get recipe() {
    const files = [process.execPath, ...sharedLibraries(process.execPath)];
    return [
      ...busybox.recipe,
      process.version,
      ...files.map((path) => `${basename(path)} ${statSync(path).size}`),
    ];
  },
  make(folder) {
    const tree = new Tree().file("bin/busybox", busyboxPath()).file("bin/node", process.execPath);
    for (const library of sharedLibraries(process.execPath)) tree.file(library.slice(1), library);
    for (const name of ["dev", "proc", "sys", "tmp", "run", "root"]) tree.folder(name);
    writeFileSync(join(folder, "system.cpio"), tree.archive());
  },
};

function sharedLibraries(program: string): string[] {
  const listed = run("ldd", [program]).matchAll(/ => (\/\S+) \(|^\s*(\/\S+) \(/gm);
  return [...listed].map(([, library, loader]) => library ?? loader ?? "");
}
