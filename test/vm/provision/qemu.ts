/**
 * QEMU from Debian's packages, in roles as kernels are: by how they map a region, which is what tests want them for. Inside
 * a guest each of them runs by `chroot` from a root as small as it can be; one of them runs the guests.
 */

import {
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

import { candidateVersion, installInto, type Source, sourceOf, type Suites } from "./apt.ts";
import { type Artefact, folderOf, progress } from "./cache.ts";
import { NotInArchive } from "./not-in-archive.ts";
import { neededBy } from "./needed-libraries.ts";
import { letItPlay, playedContents } from "./played-qemu.ts";
import { commandIn, librariesOf } from "./roots.ts";
import { inArchive } from "./suites.ts";

/**
 * - `unaligned`: leaves addresses to the kernel
 * - `area-aligned`: aligns each area by its own size
 * - `region-aligned`: aligns whole regions; has iommufd, and vfio-user-pci for served devices
 */
export type QemuRole = "unaligned" | "area-aligned" | "region-aligned";

interface Role {
  readonly meaning: string;
  /** Where such a release may be, the suite preferred first; an archive does not have all of them at any time. */
  readonly suites: readonly Suites[];
  /** By QEMU's own history of hw/vfio/region.c, and tests see it happen. Release 10.2 is 10_002. */
  readonly has: (release: number) => boolean;
}

const roles: Readonly<Record<QemuRole, Role>> = {
  unaligned: {
    meaning: "leaves addresses to the kernel",
    suites: inArchive(["bookworm", "bullseye", "oldstable", "oldoldstable"]),
    has: (release) => release < 9_002,
  },
  "area-aligned": {
    meaning: "aligns areas",
    suites: inArchive(["trixie", "stable", "oldstable", "oldoldstable"]),
    has: (release) => release >= 9_002 && release < 11_000,
  },
  "region-aligned": {
    meaning: "aligns regions",
    suites: inArchive(["trixie trixie-backports", "stable", "testing", "sid"]),
    has: (release) => release >= 11_000,
  },
};

export const qemuRoles: readonly QemuRole[] = ["unaligned", "area-aligned", "region-aligned"];

/** Which program: what it emulates, and on what machines it runs itself where that is not this one. */
export type QemuBuild = "x86_64" | "aarch64" | "aarch64-on-arm64";

interface Build {
  readonly packages: readonly [string, ...string[]];
  readonly program: string;
  /** As Debian calls it; null: this machine's. */
  readonly architecture: string | null;
}

// The ROMs of network cards are no dependency of this one.
const aarch64 = {
  packages: ["qemu-system-arm", "ipxe-qemu"],
  program: "usr/bin/qemu-system-aarch64",
} as const;

const builds: Readonly<Record<QemuBuild, Build>> = {
  x86_64: { packages: ["qemu-system-x86"], program: "usr/bin/qemu-system-x86_64", architecture: null },
  aarch64: { ...aarch64, architecture: null },
  "aarch64-on-arm64": { ...aarch64, architecture: "arm64" },
};

/** The name of the artefact. */
export function qemuName<Role extends QemuRole>(role: Role, build: QemuBuild = "x86_64") {
  return build === "x86_64" ? (`qemu-${role}` as const) : (`qemu-${build}-${role}` as const);
}

/** Firmware larger than this is for other machines: UEFI, s390, OpenSBI. */
const largestFirmware = 300 * 1024;

/** Says in an artefact's place that the archive has no such QEMU, and why. */
const absence = "absence";

/** The root that holds a QEMU of this role, its libraries and firmware. */
export function qemuRoot(role: QemuRole, build: QemuBuild = "x86_64"): Artefact {
  const { suites } = roles[role];
  const { packages, architecture } = builds[build];
  return {
    name: qemuName(role, build),
    get recipe() {
      return [
        ...suites,
        ...packages,
        ...(architecture === null ? [] : [architecture]),
        "binary, libraries, accelerators, firmware",
        playedContents(),
      ];
    },
    make(folder) {
      const source = (candidate: Suites): Source => sourceOf(candidate, architecture ?? undefined);
      const versionIn = (candidate: Suites): string | null =>
        candidateVersion(source(candidate), packages[0]);
      const found = suitesWith(role, versionIn);
      if ("suites" in found) {
        install(source(found.suites), build, folder);
        return;
      }
      const player = suitesWith("region-aligned", versionIn);
      // What lets it play is compiled for this machine.
      if (architecture === null && "suites" in player) {
        progress(`${found.absence}; ${player.suites}'s plays it`);
        install(source(player.suites), build, folder);
        letItPlay(folder, { alignAreas: role === "area-aligned" });
      } else {
        const others = "absence" in player ? [player.absence] : [];
        writeFileSync(join(folder, absence), [found.absence, ...others].join("; "));
      }
    },
  };
}

/**
 * The suites that have a QEMU of the role, or why none has.
 *
 * @param versionIn the version that suites have of the package; null where they have none
 */
export function suitesWith(
  role: QemuRole,
  versionIn: (suites: Suites) => string | null,
): { readonly suites: Suites } | { readonly absence: string } {
  const { meaning, suites, has } = roles[role];
  const seen: string[] = [];
  for (const candidate of suites) {
    const version = versionIn(candidate);
    if (version !== null && has(releaseOf(version))) return { suites: candidate };
    seen.push(`${candidate} has ${version ?? "none"}`);
  }
  return { absence: `no package of a QEMU that ${meaning}: ${seen.join(", ")}` };
}

/** Why the archive has no QEMU of a role, or null where it is provisioned. */
export function whyNoQemu(role: QemuRole, build: QemuBuild = "x86_64"): string | null {
  const file = join(folderOf(qemuRoot(role, build)), absence);
  return existsSync(file) ? readFileSync(file, "utf8") : null;
}

/** `1:10.0.2+ds-2` and the like. */
function releaseOf(version: string): number {
  const [, major, minor] = /^(?:\d+:)?(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === undefined) throw new Error(`QEMU has the version ${version}`);
  return Number(major) * 1000 + Number(minor);
}

function install(source: Source, build: QemuBuild, folder: string): void {
  const full = join(folder, "packages");
  mkdirSync(full);
  installInto(full, source, builds[build].packages);
  copyProgram(builds[build], full, folder);
  rmSync(full, { recursive: true });
}

function copyProgram({ program, architecture }: Build, from: string, to: string): void {
  const firmware = globSync("usr/share/{qemu,seabios}/*.{bin,rom}", { cwd: from }).filter(
    (path) => statSync(join(from, path)).size <= largestFirmware,
  );
  // Up to some release, software emulation is a module of its own.
  const modules = globSync("usr/lib/*-linux-gnu/qemu/accel-*.so", { cwd: from });
  const libraries =
    architecture === null ? librariesOf(from, program) : neededBy(from, [program, ...modules]);
  for (const path of [program, ...libraries, ...modules, ...firmware]) {
    mkdirSync(join(to, dirname(path)), { recursive: true });
    copyFileSync(join(from, path), join(to, path));
  }
}

/** The command that starts the QEMU of this role, which is provisioned, on the host. */
export function qemuCommand(role: QemuRole, build: QemuBuild = "x86_64"): string[] {
  const obstacle = whyNoQemu(role, build);
  if (obstacle !== null) throw new NotInArchive(`There is ${obstacle}`);
  const root = folderOf(qemuRoot(role, build));
  return [
    ...commandIn(root, builds[build].program),
    "-L",
    join(root, "usr/share/qemu"),
    "-L",
    join(root, "usr/share/seabios"),
  ];
}
