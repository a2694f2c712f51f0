/**
 * Fills the cache of the test bed: `node test/vm/provision/main.ts [ARTEFACT…]`, by default what all tests want but the
 * long matrix. What is there
 * already is left alone. One process at a time works on a cache; others wait.
 */

import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { artefactNames, artefacts, isArtefactName, usualNames } from "./artefacts.ts";
import { cacheFolder, obtain, progress } from "./cache.ts";

const locked = "--locked";
const [first, ...rest] = process.argv.slice(2);

if (first === locked) {
  for (const name of rest.length === 0 ? usualNames : rest) {
    if (!isArtefactName(name)) throw new Error(`No artefact ${name}; there are ${artefactNames.join(", ")}`);
    progress(`${name} is in ${obtain(artefacts[name])}`);
  }
} else {
  mkdirSync(cacheFolder(), { recursive: true });
  const lock = join(cacheFolder(), "lock");
  if (spawnSync("flock", ["--nonblock", lock, "true"]).status !== 0) {
    progress("another process fills the cache; waiting for it");
  }
  // flock(1) lets go when the process ends, however it ends.
  const { status } = spawnSync(
    "flock",
    [lock, process.execPath, import.meta.filename, locked, ...process.argv.slice(2)],
    { stdio: "inherit" },
  );
  process.exitCode = status ?? 1;
}
