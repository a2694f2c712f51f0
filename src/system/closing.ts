/** Closing goes on: what cannot be closed does not keep the rest open, and is told of at the end. */

import { HugebarError, hugebarError } from "../errors.ts";

/**
 * Takes every step, also when one before it failed. A step that has succeeded must do nothing when it is taken again, so
 * that a second call tries what is left.
 *
 * @param what How the message calls the whole: `device 0000:01:00.0`.
 * @throws ERR_CLOSE where steps failed; its cause is the failure, or an AggregateError of them.
 */
export function closeEach(what: string, steps: Iterable<() => void>): void {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      step();
    } catch (error) {
      failures.push(...failuresOf(error));
    }
  }
  if (failures.length === 0) return;
  const problem = failures.map(messageOf).join("; ");
  const cause = failures.length === 1 ? failures[0] : new AggregateError(failures, problem);
  throw hugebarError("ERR_CLOSE", { what, problem }, cause);
}

/** Closing a whole of wholes tells of what failed, not of the levels in between. */
function failuresOf(error: unknown): readonly unknown[] {
  if (!(error instanceof HugebarError) || error.code !== "ERR_CLOSE") return [error];
  return error.cause instanceof AggregateError ? error.cause.errors : [error.cause];
}

function messageOf(failure: unknown): string {
  return failure instanceof Error ? failure.message : String(failure);
}
