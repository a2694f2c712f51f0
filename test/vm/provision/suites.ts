/**
 * Where in Debian's archive things are taken from: in each list the suite preferred first. Suites leave an archive as they get
 * old, and what is in them moves; nothing here says a release, and tests ask for properties (`roles.ts`, `qemu.ts`).
 */

import type { Suites } from "./apt.ts";

/** What is as most machines have it. */
export const stable: readonly Suites[] = ["trixie", "stable", "forky", "sid"];

/** The newest there is. */
export const newest: readonly Suites[] = ["sid", "testing"];
