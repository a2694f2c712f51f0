/** Address space of a trial's own, so that what is mapped in it has no neighbour to grow together with. */

import { pastMultiple, roundUp } from "../layout/sizes.ts";
import { MAP_ANONYMOUS, MAP_NORESERVE, MAP_PRIVATE, PROT_NONE } from "../system/constants.ts";
import type { TestedArea } from "./subject.ts";

export interface Reservation {
  /** Where `size` bytes have room, as far past a boundary of a PUD as was wanted. */
  readonly address: bigint;
  /** Unmaps all of it, and what was mapped in it. */
  release(): void;
}

/** @param like an address, or its remainder, that agrees modulo a PUD with the one wanted; may be less than 0 */
export function reserve({ system, model }: TestedArea, size: number, like: bigint): Reservation {
  const boundary = BigInt(model.pudSize);
  const reserved = size + 2 * model.pudSize;
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  const base = system.mmap(0n, reserved, PROT_NONE, flags, -1, 0);
  return {
    address: roundUp(base, boundary) + pastMultiple(like, boundary),
    release() {
      system.munmap(base, reserved);
    },
  };
}
