/** The time that what is built here bears: so the same sources give the same bytes. */

import { execFileSync } from "node:child_process";

/** Seconds since 1970: of the last commit, or as reproducible-builds.org/specs/source-date-epoch has it. */
export function sourceDate(): number {
  const given = process.env["SOURCE_DATE_EPOCH"];
  const text =
    given ??
    execFileSync("git", ["log", "-1", "--format=%ct"], { cwd: import.meta.dirname, encoding: "utf8" });
  return Number(text);
}
