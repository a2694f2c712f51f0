/** Calls of an author's functions whose failure no client waits for. */

import type { MaybePromise } from "./link/session.ts";

/** Does a step, and waits for it; what it throws goes to `report`, and nowhere else. */
export async function attempt(
  step: () => MaybePromise<void>,
  report: (error: unknown) => void,
): Promise<void> {
  try {
    await step();
  } catch (error) {
    report(error);
  }
}
