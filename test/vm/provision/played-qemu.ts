/**
 * A QEMU that plays a role which no package fills any more: the newest one, with `qemu-roles/maps-as-before.c` in its root for
 * the loader to put before the C library. It maps as that role does, which is what tests want of it, and see it do.
 */

import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { inBuildRoot } from "./build-root.ts";
import { repository } from "./cache.ts";

const source = join(repository, "test/vm/qemu-roles/maps-as-before.c");
const library = "usr/lib/x86_64-linux-gnu/hugebar-role.so";

/** The text of what is compiled, for an artefact's recipe. */
export function playedContents(): string {
  return readFileSync(source, "utf8");
}

/** Lets the QEMU in `folder`, which is its root, map otherwise. */
export function letItPlay(folder: string, { alignAreas }: { readonly alignAreas: boolean }): void {
  inBuildRoot("qemu-role", (workshop) => {
    copyFileSync(source, join(workshop.folder, "role.c"));
    const options = `-O2 -Wall -Wextra -Werror -shared -fPIC ${alignAreas ? "-DALIGN_AREAS" : ""}`;
    workshop.run(`gcc ${options} -o role.so role.c`);
    copyFileSync(join(workshop.folder, "role.so"), join(folder, library));
  });
  mkdirSync(join(folder, "etc"), { recursive: true });
  writeFileSync(join(folder, "etc/ld.so.preload"), `/${library}\n`);
}
