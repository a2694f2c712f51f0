import { hugebarError, type HugebarError } from "../errors.ts";

/**
 * The oldest Node that hugebar runs on: 20 aborts on a view over more than 4 GiB, and 22.18 is the first that runs
 * these sources unbuilt. `engines` in package.json says the same.
 */
export const OLDEST_NODE = "22.18";

/** What is wrong with Node `found` (`process.versions.node`), or null. Runs on any Node that knows ES modules. */
export function nodeVersionProblem(found: string): HugebarError | null {
  const [major = 0, minor = 0] = found.split(".").map(Number);
  const [neededMajor = 0, neededMinor = 0] = OLDEST_NODE.split(".").map(Number);
  if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) return null;
  return hugebarError("ERR_NODE_VERSION", { found, needed: OLDEST_NODE });
}
