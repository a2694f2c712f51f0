/** The npm package as `npm publish` would send it, and a project that has installed it. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as v from "valibot";

export const root = fileURLToPath(new URL("../../", import.meta.url));

const packedSchema = v.tuple([
  v.object({ filename: v.string(), files: v.array(v.object({ path: v.string(), mode: v.number() })) }),
]);

export interface Packed {
  /** What is in it, by path. */
  readonly files: ReadonlyMap<string, { readonly mode: number }>;
  /** A folder of an ESM project in which the package is installed, and nothing else. */
  readonly project: string;
  readonly remove: () => void;
}

/** Builds the package, packs it and installs it in a project of its own. */
export function installPackage(): Packed {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-package-"));
  const npm = (cwd: string, ...args: string[]): string =>
    execFileSync("npm", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  const output = npm(root, "pack", "--json", "--pack-destination", folder);
  // What the build says comes before it.
  const [{ filename, files }] = v.parse(
    packedSchema,
    listOf(JSON.parse(output.slice(output.search(/^[[{]/m)))),
  );
  writeFileSync(join(folder, "package.json"), '{ "type": "module", "private": true }\n');
  npm(folder, "install", "--no-audit", "--no-fund", "--no-save", join(folder, filename));
  return {
    files: new Map(files.map(({ path, mode }) => [path, { mode }])),
    project: folder,
    remove: () => rmSync(folder, { recursive: true }),
  };
}

/** npm 12 answers with an object by name, earlier ones with a list. */
function listOf(answer: unknown): unknown {
  return Array.isArray(answer) || typeof answer !== "object" || answer === null
    ? answer
    : Object.values(answer);
}
