/**
 * The guest's kernels. An artefact holds `vmlinuz` and `modules/`, uncompressed, with a `modules.dep` for busybox.
 *
 * - `stock`: Debian's 6.12, as distributed; groups, no iommufd
 * - `newest`: Debian unstable's
 * - `built`: Debian's 6.12 source with our configuration and the test driver built in; groups, cdev and iommufd
 */

import { copyFileSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

import { dependenciesOf, fetchPackages, type Suites, unpack } from "./apt.ts";
import { builtKernel } from "./built-kernel.ts";
import { busyboxPath } from "./busybox.ts";
import type { Artefact } from "./cache.ts";
import { run } from "./command.ts";

export type KernelName = "stock" | "newest" | "built";

export const kernelNames: readonly KernelName[] = ["stock", "newest", "built"];

/** The modules a guest can load, by name; what they depend on comes along. */
const modules = ["vfio-pci", "vfio_iommu_type1", "iommufd", "nvme", "e1000e"];

function debianKernel(name: KernelName, suites: Suites): Artefact {
  return {
    name: `kernel-${name}`,
    recipe: [suites, "linux-image-amd64", ...modules],
    make(folder) {
      const root = join(folder, "packages");
      mkdirSync(root);
      // Since 6.17 the image and its modules are packages of their own.
      const packages = dependenciesOf(suites, "linux-image-amd64").filter((dependency) =>
        /^linux-(image|binary|base|modules)-\d.*-amd64$/.test(dependency),
      );
      fetchPackages(suites, packages, root);
      unpack(root, root);
      const [image] = globSync([join(root, "boot/vmlinuz-*"), join(root, "usr/lib/modules/*/vmlinuz")]);
      if (image === undefined) throw new Error(`No kernel image in ${packages.join(", ")}`);
      copyFileSync(image, join(folder, "vmlinuz"));
      copyModules(root, join(folder, "modules"));
      rmSync(root, { recursive: true });
    },
  };
}

/** Copies the modules and their dependencies; one that this kernel does not have is left out. */
function copyModules(root: string, folder: string): void {
  mkdirSync(folder);
  const available = new Map(
    globSync(join(root, "usr/lib/modules/*/kernel/**/*.ko.xz")).map((path) => [moduleName(path), path]),
  );
  const copied = new Map<string, readonly string[]>();
  const copy = (name: string): void => {
    const path = available.get(name);
    if (path === undefined || copied.has(name)) return;
    const file = join(folder, `${name}.ko`);
    run(busyboxPath(), [
      "sh",
      "-c",
      'busybox unxz -c "$1" > "$2"'.replace("busybox", busyboxPath()),
      "sh",
      path,
      file,
    ]);
    const dependencies = dependenciesOfModule(readFileSync(file));
    copied.set(name, dependencies);
    for (const dependency of dependencies) copy(dependency);
  };
  for (const name of modules) copy(moduleName(name));
  writeFileSync(join(folder, "modules.dep"), dependencyFile(copied));
}

/** The kernel takes `-` and `_` in a module's name for the same. */
function moduleName(path: string): string {
  return basename(path)
    .replace(/\.ko.*$/, "")
    .replaceAll("-", "_");
}

/** What a module's `.modinfo` section says it needs. */
function dependenciesOfModule(content: Buffer): string[] {
  const depends = /\0depends=([^\0]*)\0/.exec(content.toString("latin1"))?.[1] ?? "";
  return depends
    .split(",")
    .filter((name) => name !== "")
    .map(moduleName);
}

/** `modules.dep`: for each module all that must be there before it, the nearest first. */
function dependencyFile(dependencies: ReadonlyMap<string, readonly string[]>): string {
  const closure = (name: string): string[] => {
    const direct = dependencies.get(name) ?? [];
    return [...new Set([...direct, ...direct.flatMap(closure)])];
  };
  const lines = [...dependencies.keys()].map(
    (name) =>
      `${name}.ko:${closure(name)
        .map((dependency) => ` ${dependency}.ko`)
        .join("")}\n`,
  );
  return lines.join("");
}

const kernels: Readonly<Record<KernelName, Artefact>> = {
  stock: debianKernel("stock", "trixie"),
  newest: debianKernel("newest", "sid"),
  built: builtKernel,
};

export function kernel(name: KernelName): Artefact {
  return kernels[name];
}
