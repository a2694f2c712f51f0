/** A static busybox: the guest's shell, and `unxz` for provisioning. */

import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import { fetchPackages, unpack } from "./apt.ts";
import { type Artefact, obtain } from "./cache.ts";

const suite = "trixie";

export const busybox: Artefact = {
  name: "busybox",
  recipe: [suite, "busybox-static"],
  make(folder) {
    const root = join(folder, "root");
    fetchPackages(suite, ["busybox-static"], folder);
    unpack(folder, root);
    copyFileSync(join(root, "usr/bin/busybox"), join(folder, "busybox"));
    rmSync(root, { recursive: true });
  },
};

export function busyboxPath(): string {
  return join(obtain(busybox), "busybox");
}
