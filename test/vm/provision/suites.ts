/**
 * Where in Debian's archive things are taken from: in each list the suite preferred first. Suites leave an archive as they get
 * old, and what is in them moves; nothing here says a release, and tests ask for properties (`roles.ts`, `qemu.ts`).
 */

import type { Suites } from "./apt.ts";

const { HUGEBAR_SUITES: only = "" } = process.env;

/**
 * These, in the archive as it is. `HUGEBAR_SUITES=sid` (or several, with commas) stands for an archive that has no others any
 * more, to see what the bed makes of one: each list is then this one.
 */
export function inArchive(suites: readonly Suites[]): readonly Suites[] {
  return only === "" ? suites : only.split(",");
}

/** What is as most machines have it. */
export const stable = inArchive(["trixie", "stable", "forky", "sid"]);

/** The newest there is. */
export const newest = inArchive(["sid", "testing"]);
