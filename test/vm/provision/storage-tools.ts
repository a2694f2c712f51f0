/** What makes file systems, arrays and volumes inside a guest, from Debian's packages, in a root for `chroot`. */

import { copyFileSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

import { firstOf, installInto } from "./apt.ts";
import type { Artefact } from "./cache.ts";
import { librariesOf } from "./roots.ts";
import { inArchive } from "./suites.ts";

const suites = inArchive(["trixie", "stable"]);
const packages = ["e2fsprogs", "btrfs-progs", "lvm2", "mdadm"];
const programs = ["mke2fs", "mkfs.btrfs", "btrfs", "lvm", "mdadm"];
/** Where the packages have them: Debian moves programs between the two. */
const folders = ["usr/sbin", "usr/bin"];

export const storageTools: Artefact = {
  name: "storage-tools",
  recipe: [...suites, ...packages, ...programs],
  make(folder) {
    const full = join(folder, "packages");
    mkdirSync(full);
    installInto(full, firstOf(suites), packages);
    for (const program of programs) copyProgram(program, full, folder);
    rmSync(full, { recursive: true });
  },
};

function copyProgram(program: string, from: string, to: string): void {
  for (const folder of folders) {
    const path = join(folder, program);
    if (!existsSync(join(from, path))) continue;
    copy(path, from, to, join("usr/bin", program));
    for (const library of librariesOf(from, path)) copy(library, from, to, library);
    return;
  }
  throw new Error(`No ${program} in ${packages.join(", ")}`);
}

function copy(path: string, from: string, to: string, as: string): void {
  mkdirSync(join(to, dirname(as)), { recursive: true });
  copyFileSync(join(from, path), join(to, as));
}
