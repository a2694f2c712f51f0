/** How far one mapping misses, in the advice for it, which is otherwise the same for many. */

/** The beginning of the advice for a misaligned mapping; `miss` as `0x1ff000 past a 2 MiB boundary`. */
export function withOwnMiss(miss: string, counsel: string): string {
  return miss === "" ? counsel : `the mapping starts ${miss}: ${counsel}`;
}

const OWN_MISS = /^the mapping starts (0x[0-9a-f]+ past [^:]*): /;

/** What to do, without how far this one mapping is from where it should be. */
export function counselOf(advice: string): string {
  return advice.replace(OWN_MISS, "");
}

/** Advice for several that miss differently and have the same counsel, of the first of them. */
export function adviceForMany(advice: string): string {
  return advice.replace(OWN_MISS, "the mappings start off their boundaries, the first $1: ");
}

/** How far the mapping is from where it should be, out of the advice for it; null where that is not what stands in the way. */
export function missIn(advice: string): string | null {
  return OWN_MISS.exec(advice)?.[1] ?? null;
}
