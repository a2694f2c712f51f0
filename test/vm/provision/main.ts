/**
 * Fills the cache of the test bed: `node test/vm/provision/main.ts [ARTEFACT…]`, by default what all tests want but the
 * long matrix. What is there already is left alone. One process at a time works on a cache; others wait, for one artefact at
 * most.
 */

import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { type ArtefactName, artefactNames, artefacts, isArtefactName, usualNames } from "./artefacts.ts";
import { cacheFolder, isMade, obtain, progress } from "./cache.ts";

const locked = "--locked";
const [first, ...rest] = process.argv.slice(2);

if (first === locked) {
  for (const name of namesOf(rest)) progress(`${name} is in ${obtain(artefacts[name])}`);
} else {
  mkdirSync(cacheFolder(), { recursive: true });
  const names = first === undefined ? usualNames : namesOf([first, ...rest]);
  process.exitCode = names.map(make).find((status) => status !== 0) ?? 0;
}

/** @returns the exit code of the process that made it */
function make(name: ArtefactName): number {
  if (isMade(artefacts[name])) return 0;
  const lock = join(cacheFolder(), "lock");
  if (spawnSync("flock", ["--nonblock", lock, "true"]).status !== 0) {
    progress("another process fills the cache; waiting for it");
  }
  // flock(1) lets go when the process ends, however it ends.
  const command = [
    process.execPath,
    "--disable-warning=ExperimentalWarning",
    import.meta.filename,
    locked,
    name,
  ];
  return spawnSync("flock", [lock, ...command], { stdio: "inherit" }).status ?? 1;
}

function namesOf(words: readonly string[]): ArtefactName[] {
  return words.map((name) => {
    if (!isArtefactName(name)) throw new Error(`No artefact ${name}; there are ${artefactNames.join(", ")}`);
    return name;
  });
}
