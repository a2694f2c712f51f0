/**
 * What becomes of a test that lacks what it needs: it is skipped and says why; in continuous integration it fails, so that
 * nothing is left out there unseen.
 */

import type { TestContext } from "node:test";

/** Whether this is continuous integration, as `CI` says. */
export function inContinuousIntegration(): boolean {
  return !["", "0", "false", undefined].includes(process.env["CI"]);
}

/**
 * Leaves a test out.
 *
 * @param why "there is no …"
 * @throws in continuous integration
 */
export function leaveOut(t: Pick<TestContext, "skip">, why: string): void {
  const line = `left out: ${why}`;
  if (inContinuousIntegration()) throw new Error(`${line}; with CI set no test may be`);
  t.skip(line);
}
