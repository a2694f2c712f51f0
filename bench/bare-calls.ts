/**
 * The system calls of hugebar's work by `System` alone, with nothing around them: no checks, no objects. What is above
 * these is hugebar's own; what these are above C is koffi's, and no code of ours can better it.
 */

import type { Area } from "../src/layout/areas.ts";
import {
  MADV_HUGEPAGE,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from "../src/system/constants.ts";
import type { System } from "../src/system/system.ts";

/** Maps the areas of a file, at the same offsets there, as strategy `region` lays them, and unmaps them again. */
export function mapBarely(
  size: number,
  areas: readonly Area[],
  alignment: number,
  fd: number,
  system: System,
): void {
  const total = size + alignment;
  const reservation = system.mmap(0n, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  const head = Number(-reservation & BigInt(alignment - 1));
  const base = reservation + BigInt(head);
  for (const { offset, size: length } of areas) {
    const protection = PROT_READ | PROT_WRITE;
    system.mmap(base + BigInt(offset), length, protection, MAP_SHARED | MAP_FIXED, fd, offset);
  }
  const [first, last] = [areas[0], areas.at(-1)];
  if (first === undefined || last === undefined) throw new RangeError("no area");
  system.madvise(base + BigInt(first.offset), last.offset + last.size - first.offset, MADV_HUGEPAGE);
  let kept = 0;
  for (const { offset, size: length } of areas) {
    if (head + offset > kept) system.munmap(reservation + BigInt(kept), head + offset - kept);
    kept = head + offset + length;
  }
  if (kept < total) system.munmap(reservation + BigInt(kept), total - kept);
  for (const { offset, size: length } of areas) system.munmap(base + BigInt(offset), length);
}
