/** The licences of what the executable has in it, as those ask for wherever it goes. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as v from "valibot";

const root = fileURLToPath(new URL("../", import.meta.url));

const packageSchema = v.object({
  version: v.string(),
  license: v.string(),
  dependencies: v.optional(v.record(v.string(), v.string()), {}),
});

/** Each package's name, version, licence and its text. */
export function notices(): string {
  const node = `Node.js ${process.version.slice(1)}: MIT, with parts under other licences; their texts:
https://github.com/nodejs/node/blob/v${process.version.slice(1)}/LICENSE\n`;
  return [
    "The executable of hugebar contains, besides hugebar itself:\n",
    node,
    ...packagesInside().map((name) => {
      const { version, license } = packageOf(name);
      return `${name} ${version}: ${license}\n\n${licenceOf(name)}\n`;
    }),
  ].join(`\n${"-".repeat(80)}\n\n`);
}

/** Those that the tool depends on, and theirs. */
export function packagesInside(): string[] {
  const own = v.parse(v.object({ dependencies: v.record(v.string(), v.string()) }), json("package.json"));
  const found = new Set<string>();
  const wanted = Object.keys(own.dependencies);
  for (let name = wanted.pop(); name !== undefined; name = wanted.pop()) {
    if (found.has(name)) continue;
    found.add(name);
    wanted.push(...Object.keys(packageOf(name).dependencies));
  }
  return [...found].sort();
}

function packageOf(name: string): v.InferOutput<typeof packageSchema> {
  return v.parse(packageSchema, json(`node_modules/${name}/package.json`));
}

function licenceOf(name: string): string {
  const folder = join(root, "node_modules", name);
  const file = existsSync(folder) ? readdirSync(folder).find((each) => /^licen[cs]e/i.test(each)) : undefined;
  if (file === undefined) throw new Error(`${name} comes without the text of its licence`);
  return readFileSync(join(folder, file), "utf8").trim();
}

function json(path: string): unknown {
  return JSON.parse(readFileSync(join(root, path), "utf8"));
}
