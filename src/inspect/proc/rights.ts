/** Which rights this process has to look into others, and what to tell of those that it lacks. */

import { join } from "node:path";
import { isProcfs } from "./process.ts";
import { readTextOrNull } from "./read-file.ts";

/**
 * linux/capability.h. Maps and smaps ask for the first (`PTRACE_MODE_READ`); the list of a process's open files is its owner's
 * alone besides (mode 0500), which the second gets past.
 */
const RIGHTS = [
  ["CAP_SYS_PTRACE", 19n],
  ["CAP_DAC_READ_SEARCH", 2n],
] as const;
/** Whoever may write everything may read it. */
const CAP_DAC_OVERRIDE = 1n;

export type Right = (typeof RIGHTS)[number][0];

/** The rights that this process lacks; all of them where nobody can tell of whom recorded a machine. */
export function lackingRights(proc: string): readonly Right[] {
  const all = RIGHTS.map(([name]) => name);
  if (!isProcfs(proc)) return all;
  const own = (name: string): string =>
    readTextOrNull(`/proc/self/${name}`) ?? readTextOrNull(join(proc, "self", name)) ?? "";
  // In a user namespace of its own a process has every right over its own alone.
  if (!/^\s*0\s+0\s+4294967295$/m.test(own("uid_map"))) return all;
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]{1,16})$/m.exec(own("status"))?.[1] ?? "0"}`);
  return RIGHTS.filter(([name, bit]) => {
    const mask = name === "CAP_DAC_READ_SEARCH" ? (1n << bit) | (1n << CAP_DAC_OVERRIDE) : 1n << bit;
    return (effective & mask) === 0n;
  }).map(([name]) => name);
}

/** What would show processes that may not be looked at. */
export function rightsCounsel(lacking: readonly Right[]): string {
  if (lacking.includes("CAP_SYS_PTRACE"))
    return "run hugebar as root, with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, to see all";
  return "hugebar has the right to (CAP_SYS_PTRACE), and something else keeps it out, a security module or a sandbox";
}
