/**
 * What several files of tests need and takes seconds to make: made by whichever comes first, and kept below `.cache/` for as
 * long as what it is made of stays as it is.
 */

import { createHash } from "node:crypto";
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const cache = join(root, ".cache");
const KEPT_MILLISECONDS = 60 * 60_000;

/** All that the tool is made of, but for what the lock file names. */
const SOURCES = ["{src,build}/**/*.ts", "package.json", "package-lock.json", "tsconfig*.json"];

/** @param make fills the folder that it is given */
export function madeOnce(name: string, make: (folder: string) => void): string {
  const place = placeOf(name);
  if (existsSync(place)) return place;
  using draft = newDraft();
  make(draft.folder);
  return settled(name, draft.folder, place);
}

/** The same of what takes its time. */
export async function madeOnceLater(name: string, make: (folder: string) => Promise<void>): Promise<string> {
  const place = placeOf(name);
  if (existsSync(place)) return place;
  using draft = newDraft();
  await make(draft.folder);
  return settled(name, draft.folder, place);
}

function placeOf(name: string): string {
  const hash = createHash("sha256").update(process.version);
  for (const path of globSync(SOURCES, { cwd: root }).sort()) {
    hash.update(`\0${path}\0`).update(readFileSync(join(root, path)));
  }
  return join(cache, `${name}-${hash.digest("hex").slice(0, 16)}`);
}

/** A folder that goes with its scope, if it has not found its place by then. */
function newDraft(): Disposable & { readonly folder: string } {
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "draft-"));
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

function settled(name: string, draft: string, place: string): string {
  try {
    renameSync(draft, place);
  } catch (error) {
    // Another process was first.
    if (!existsSync(place)) throw error;
  }
  for (const other of readdirSync(cache)) {
    const path = join(cache, other);
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity);
    if (other.startsWith(`${name}-`) && age > KEPT_MILLISECONDS)
      rmSync(path, { recursive: true, force: true });
  }
  return place;
}
