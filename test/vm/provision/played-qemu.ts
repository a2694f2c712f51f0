/**
 * A QEMU that plays a role which no package fills any more: the newest one, with `qemu-roles/maps-as-before.c` in its root for
 * the loader to put before the C library. It maps as that role does, which is what tests want of it, and see it do.
 */

import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { buildRoot } from "./build-root.ts";
import { obtain, repository } from "./cache.ts";
import { runInside } from "./roots.ts";

const source = join(repository, "test/vm/qemu-roles/maps-as-before.c");
const library = "usr/lib/x86_64-linux-gnu/hugebar-role.so";

/** The text of what is compiled, for an artefact's recipe. */
export function playedContents(): string {
  return readFileSync(source, "utf8");
}

/** Lets the QEMU in `folder`, which is its root, map otherwise. */
export function letItPlay(folder: string, { alignAreas }: { readonly alignAreas: boolean }): void {
  const root = obtain(buildRoot);
  const work = join(root, "root", "qemu-role");
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  copyFileSync(source, join(work, "role.c"));
  const options = `-O2 -Wall -Wextra -Werror -shared -fPIC ${alignAreas ? "-DALIGN_AREAS" : ""}`;
  runInside(root, `cd /root/qemu-role && gcc ${options} -o role.so role.c`);
  copyFileSync(join(work, "role.so"), join(folder, library));
  rmSync(work, { recursive: true });
  mkdirSync(join(folder, "etc"), { recursive: true });
  writeFileSync(join(folder, "etc/ld.so.preload"), `/${library}\n`);
}
