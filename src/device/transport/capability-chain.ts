/** The chain of capabilities behind many of VFIO's structures, checked as it is walked: it may be a stranger's word. */

import type { HugebarError } from "../../errors.ts";
import { VFIO_INFO_CAP_HEADER } from "./vfio-abi.ts";

export interface Capability {
  readonly id: number;
  /** Where its body starts, behind its header. */
  readonly at: number;
}

/**
 * Follows the chain; every capability is visited at most once, so a loop cannot hold us.
 *
 * @param first where the first one starts; 0 where there is none
 * @param structureSize the size of the structure in front, in which none may lie
 * @param malformed the error for a chain that cannot be, given what is wrong with it
 */
export function* walkCapabilities(
  bytes: Uint8Array,
  first: number,
  structureSize: number,
  malformed: (problem: string) => HugebarError,
): Generator<Capability> {
  const seen = new Set<number>();
  for (let at = first; at !== 0;) {
    if (seen.has(at)) throw malformed(`its capability chain loops at 0x${at.toString(16)}`);
    seen.add(at);
    if (at < structureSize) throw malformed(`a capability at 0x${at.toString(16)} lies inside the structure`);
    requireBytes(bytes, at, VFIO_INFO_CAP_HEADER.size, malformed);
    const { id, next } = VFIO_INFO_CAP_HEADER.decode(bytes, at);
    yield { id, at: at + VFIO_INFO_CAP_HEADER.size };
    at = next;
  }
}

export function requireBytes(
  bytes: Uint8Array,
  at: number,
  length: number,
  malformed: (problem: string) => HugebarError,
): void {
  if (at + length <= bytes.length) return;
  throw malformed(`a capability at 0x${at.toString(16)} lies outside its ${bytes.length} bytes`);
}
