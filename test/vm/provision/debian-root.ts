/** Small Debian systems as an administrator has them, in roots for `chroot`: the packages of this project are installed there. */

import { join } from "node:path";

import { fetchPackages, fetchWithDependencies, firstOf, unpack, type Suites } from "./apt.ts";
import type { Artefact } from "./cache.ts";
import { runInside } from "./roots.ts";

/** The releases that packages are made for. */
export const debianRoles = {
  "debian-oldest": ["bookworm", "oldstable"],
  "debian-stable": ["trixie", "stable"],
  "debian-newest": ["sid"],
} as const satisfies Readonly<Record<string, readonly Suites[]>>;

export type DebianRole = keyof typeof debianRoles;

export const debianRoleNames: readonly DebianRole[] = ["debian-oldest", "debian-stable", "debian-newest"];

/** What is essential, and what deals with packages, man pages, units and their users. */
const packages = ["?essential", "apt", "man-db", "systemd", "libstdc++6"];
const archives = "var/cache/packages";

/** What stands in for a first boot: dpkg's own files, and that no daemon is started while packages are configured. */
const install = `
  touch /var/lib/dpkg/status
  printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d
  chmod +x /usr/sbin/policy-rc.d
  export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
  dpkg --force-depends --force-confold --install /${archives}/*.deb
  rm -r /${archives}
`;

export function debianRoot(role: DebianRole): Artefact {
  const suites = debianRoles[role];
  return {
    name: role,
    recipe: [...suites, ...packages, install],
    make(folder) {
      fetchWithDependencies(firstOf(suites), packages, join(folder, archives));
      unpack(join(folder, archives), folder, { keep: true });
      runInside(folder, install);
    },
  };
}

/** What the packages of this project depend on and no such system has. */
const dependencies = ["libatomic1"];

/** The `.deb` files of these, of the same release. */
export function debianDependencies(role: DebianRole): Artefact {
  const suites = debianRoles[role];
  return {
    name: `${role}-dependencies`,
    recipe: [...suites, ...dependencies],
    make: (folder) => fetchPackages(firstOf(suites), dependencies, folder),
  };
}
