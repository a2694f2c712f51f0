/** A static busybox: the guest's shell, and `unxz` for provisioning. */

import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import { fetchPackages, firstOf, unpack } from "./apt.ts";
import { type Artefact, obtain } from "./cache.ts";
import { stable } from "./suites.ts";

export const busybox: Artefact = {
  name: "busybox",
  recipe: [...stable, "busybox-static"],
  make: (folder) => fetchBusybox(folder),
};

/** Puts it into the folder, for this machine or another architecture. */
export function fetchBusybox(folder: string, architecture?: string): void {
  const root = join(folder, "root");
  fetchPackages(firstOf(stable, architecture), ["busybox-static"], folder);
  unpack(folder, root);
  copyFileSync(join(root, "usr/bin/busybox"), join(folder, "busybox"));
  rmSync(root, { recursive: true });
}

export function busyboxPath(): string {
  return join(obtain(busybox), "busybox");
}
