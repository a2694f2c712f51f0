/** Address space that this process holds: the result of one `mmap`, less the parts given back. */

import { gapsOf, type Area } from "../layout/areas.ts";
import { SystemCallError, type System } from "../system/system.ts";

export interface Holding {
  readonly address: bigint;
  readonly size: number;
  /** What is not held any more: another thread may have mapped something there, so it is never unmapped again. */
  readonly given: Area[];
}

/** The parts that are still held, neighbours joined. */
function heldParts({ size, given }: Holding): Area[] {
  return gapsOf(
    size,
    given.toSorted((a, b) => a.offset - b.offset),
  );
}

/** Unmaps a part of it. */
export function give(holding: Holding, part: Area, system: System): void {
  system.munmap(holding.address + BigInt(part.offset), part.size);
  holding.given.push(part);
}

/** Unmaps all that is still held, the rest too where one part fails; returns the failures. */
export function releaseAll(holdings: readonly Holding[], system: System): SystemCallError[] {
  const failures: SystemCallError[] = [];
  for (const holding of holdings) {
    for (const part of heldParts(holding)) {
      try {
        give(holding, part, system);
      } catch (error) {
        if (!(error instanceof SystemCallError)) throw error;
        failures.push(error);
      }
    }
  }
  return failures;
}
