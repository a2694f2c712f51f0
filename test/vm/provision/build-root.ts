/** What compiles for the guests: a compiler and its tools in a root of Debian packages, so that the machine needs none. */

import { firstOf, installInto } from "./apt.ts";
import type { Artefact } from "./cache.ts";
import { runInside } from "./roots.ts";
import { stable } from "./suites.ts";

const tools = [
  "base-files bash coreutils dash diffutils findutils grep gzip mawk sed tar",
  "bc bison flex gcc kmod libc6-dev libelf-dev make perl xz-utils",
].flatMap((names) => names.split(" "));

export const buildRoot: Artefact = {
  name: "build-root",
  recipe: [...stable, ...tools],
  make(folder) {
    installInto(folder, firstOf(stable), tools);
    // The package's own script makes this link when it is installed.
    runInside(folder, "ln -sf mawk /usr/bin/awk");
  },
};
