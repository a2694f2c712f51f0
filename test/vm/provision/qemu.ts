/**
 * QEMU from Debian's packages, three releases whose ways of mapping a region differ. 10.0 also runs the guests; inside
 * a guest each of them runs by `chroot` from a root as small as it can be.
 */

import { copyFileSync, globSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

import { installInto, type Suites } from "./apt.ts";
import { type Artefact, folderOf } from "./cache.ts";
import { run } from "./command.ts";
import { commandIn, librariesOf } from "./roots.ts";

export type QemuVersion = "7.2" | "10.0" | "11.1";

/** Which suites have the release. 7.2 lets the kernel choose addresses, 10.0 aligns areas, 11.1 aligns regions. */
const suites: Readonly<Record<QemuVersion, Suites>> = {
  "7.2": "bookworm",
  "10.0": "trixie",
  "11.1": "trixie trixie-backports",
};

const program = "usr/bin/qemu-system-x86_64";

/** Firmware larger than this is for other machines: UEFI, s390, OpenSBI. */
const largestFirmware = 300 * 1024;

/** The root that holds this release of QEMU, its libraries and firmware. */
export function qemuRoot(version: QemuVersion): Artefact {
  return {
    name: `qemu-${version}`,
    recipe: [suites[version], "qemu-system-x86", "binary, libraries, accelerators, firmware"],
    make(folder) {
      const full = join(folder, "packages");
      mkdirSync(full);
      installInto(full, suites[version], ["qemu-system-x86"]);
      copyProgram(full, folder);
      rmSync(full, { recursive: true });
      const [loader = "", ...rest] = commandIn(folder, program);
      const banner = run(loader, [...rest, "--version"]);
      if (!banner.includes(`version ${version}.`)) {
        throw new Error(`${suites[version]} has another QEMU than ${version}: ${banner}`);
      }
    },
  };
}

function copyProgram(from: string, to: string): void {
  const firmware = ["usr/share/qemu", "usr/share/seabios"].flatMap((folder) =>
    readdirSync(join(from, folder))
      .map((name) => join(folder, name))
      .filter((path) => /\.(bin|rom)$/.test(path) && statSync(join(from, path)).size <= largestFirmware),
  );
  // Up to some release, software emulation is a module of its own.
  const modules = globSync("usr/lib/x86_64-linux-gnu/qemu/accel-*.so", { cwd: from });
  for (const path of [program, ...librariesOf(from, program), ...modules, ...firmware]) {
    mkdirSync(join(to, dirname(path)), { recursive: true });
    copyFileSync(join(from, path), join(to, path));
  }
}

/** The command that starts this release of QEMU, which is provisioned, on the host. */
export function qemuCommand(version: QemuVersion): string[] {
  const root = folderOf(qemuRoot(version));
  return [
    ...commandIn(root, program),
    "-L",
    join(root, "usr/share/qemu"),
    "-L",
    join(root, "usr/share/seabios"),
  ];
}
