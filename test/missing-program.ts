import { spawnSync } from "node:child_process";
import { inContinuousIntegration } from "./left-out.ts";

/**
 * Why a test that needs this program is left out, for node:test's `skip`; false where it runs. With `CI` set nothing is
 * left out: the test then fails where the program is missing.
 */
export function missingProgram(program: string): string | false {
  if (inContinuousIntegration()) return false;
  return spawnSync(program, ["--version"]).error === undefined ? false : `${program} is not installed`;
}
