/**
 * The cache folder of the test bed: artefacts are made once and kept. `HUGEBAR_CACHE` names a folder that several
 * checkouts share; without it, it is `.cache` in this one, which git ignores.
 *
 * An artefact's folder carries the hash of its recipe in its name and is put in place by one rename, so that a folder
 * that exists is whole and current: a changed recipe makes a new one, and an interrupted run leaves none.
 */

import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import { join, resolve } from "node:path";

export interface Artefact {
  readonly name: string;
  /** Everything that decides what comes out: package names, suites, file contents. */
  readonly recipe: readonly string[];
  /** Fills `folder`, which exists and is empty. */
  make(folder: string): void;
}

const remainsLifetimeMilliseconds = 24 * 60 * 60_000;

/** The root of this checkout. */
export const repository = resolve(import.meta.dirname, "../../..");

export function cacheFolder(): string {
  const shared = process.env["HUGEBAR_CACHE"];
  return join(shared === undefined || shared === "" ? join(repository, ".cache") : resolve(shared), "vm");
}

/** Where the artefact lies, or will lie once made. */
export function folderOf({ name, recipe }: Artefact): string {
  const hash = createHash("sha256").update(JSON.stringify(recipe)).digest("hex").slice(0, 12);
  return join(cacheFolder(), `${name}-${hash}`);
}

/** Whether the artefact is there; if so, it is noted as in use. */
export function isMade(artefact: Artefact): boolean {
  const folder = folderOf(artefact);
  if (!existsSync(folder)) return false;
  const now = new Date();
  utimesSync(folder, now, now);
  return true;
}

/** The artefact's folder, made now if it is not there. The caller holds the lock of the cache (see `main.ts`). */
export function obtain(artefact: Artefact): string {
  const folder = folderOf(artefact);
  if (isMade(artefact)) return folder;
  mkdirSync(cacheFolder(), { recursive: true });
  discardRemains(artefact.name);
  const started = Date.now();
  progress(`${artefact.name}: started`);
  const draft = mkdtempSync(join(cacheFolder(), `draft-${artefact.name}-`));
  try {
    artefact.make(draft);
    chmodSync(draft, 0o755);
    // A recipe may name what was only just made for it, such as the kernel whose facts these are.
    const named = folderOf(artefact);
    if (existsSync(named)) rmSync(draft, { recursive: true, force: true });
    else renameSync(draft, named);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    throw error;
  }
  progress(`${artefact.name}: done in ${Math.round((Date.now() - started) / 1000)} s`);
  return folderOf(artefact);
}

/** Removes what earlier recipes and interrupted runs left of this artefact, unless another checkout may still use it. */
function discardRemains(name: string): void {
  for (const entry of readdirSync(cacheFolder())) {
    if (entry.replace(/^draft-(.*)-\w{6}$|^(.*)-[0-9a-f]{12}$/, "$1$2") !== name) continue;
    const path = join(cacheFolder(), entry);
    if (Date.now() - statSync(path).mtimeMs > remainsLifetimeMilliseconds) {
      rmSync(path, { recursive: true, force: true });
    }
  }
}

/** One line on standard error about what takes time. */
export function progress(line: string): void {
  process.stderr.write(`test bed: ${line}\n`);
}
