/** The headers of Debian's newest kernel, for a C compiler: `include/linux/vfio.h` and the others. */

import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { fetchPackages, firstOf, unpack } from "./apt.ts";
import type { Artefact } from "./cache.ts";
import { newest } from "./suites.ts";

const packageName = "linux-libc-dev";

export const kernelHeaders: Artefact = {
  name: "kernel-headers",
  recipe: [...newest, packageName],
  make(folder) {
    const root = join(folder, "packages");
    mkdirSync(root);
    fetchPackages(firstOf(newest), [packageName], root);
    unpack(root, root);
    for (const part of ["linux", "asm-generic", "x86_64-linux-gnu/asm"]) {
      const name = part.endsWith("/asm") ? "asm" : part;
      cpSync(join(root, "usr/include", part), join(folder, "include", name), {
        recursive: true,
        dereference: true,
      });
    }
    rmSync(root, { recursive: true });
  },
};
