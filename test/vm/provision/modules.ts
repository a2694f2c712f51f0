/** The modules that a guest can load, out of a kernel's packages: uncompressed, with a `modules.dep` for busybox. */

import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

import { busyboxPath } from "./busybox.ts";
import { run } from "./command.ts";

/** Copies the named modules and their dependencies; one that this kernel does not have is left out. */
export function copyModules(names: readonly string[], root: string, folder: string): void {
  mkdirSync(folder);
  const available = new Map(
    globSync(join(root, "usr/lib/modules/*/kernel/**/*.ko.xz")).map((path) => [moduleName(path), path]),
  );
  const copied = new Map<string, readonly string[]>();
  const copy = (name: string): void => {
    const path = available.get(name);
    if (path === undefined || copied.has(name)) return;
    const file = join(folder, `${name}.ko`);
    run(busyboxPath(), ["sh", "-c", '"$1" unxz -c "$2" > "$3"', "sh", busyboxPath(), path, file]);
    const dependencies = dependenciesOfModule(readFileSync(file));
    copied.set(name, dependencies);
    for (const dependency of dependencies) copy(dependency);
  };
  for (const name of names) copy(moduleName(name));
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
  const lines = [...dependencies.keys()].map((name) => {
    const needed = closure(name).map((dependency) => ` ${dependency}.ko`);
    return `${name}.ko:${needed.join("")}\n`;
  });
  return lines.join("");
}
