/** Tests of what may not be read. */

/** Runs `action` with no more rights than any user: root may read everything. */
export function asNobody<Result>(action: () => Result): Result {
  if (process.geteuid?.() !== 0) return action();
  process.seteuid?.(65_534);
  try {
    return action();
  } finally {
    process.seteuid?.(0);
  }
}
