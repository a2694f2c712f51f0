/**
 * Comparing by interleaved pairs. On a machine that others use too, one long run of each side compares two different
 * times of day; so the sides alternate, A B A B, each pair is compared by itself, and the median of the pairs counts.
 */

/** One side: does its work `count` times and gives the nanoseconds that took, alone or by a promise. */
export type Side = (count: number) => number | Promise<number>;

/** How long to look. */
export interface Plan {
  readonly pairs: number;
  /** How often the work is done in one sample: enough to be long against the clock's resolution. */
  readonly count: number;
}

/** What one operation took on each side, in nanoseconds; `peer` is null where there is nothing to compare with. */
export interface Pair {
  readonly hugebar: number;
  readonly peer: number | null;
}

/** The medians of all pairs. */
export interface Comparison extends Pair {
  /** hugebar's time by the peer's. */
  readonly ratio: number | null;
  /** hugebar's time less the peer's, in nanoseconds. */
  readonly extra: number | null;
}

/** Unmeasured pairs before the first one: code is compiled as far as V8 goes, caches and pages are filled. */
function warmUpPairs(pairs: number): number {
  return Math.max(3, Math.ceil(pairs / 4));
}

/** Runs both sides in turn; only hugebar's where there is no peer. */
export async function comparePairs(hugebar: Side, peer: Side | null, plan: Plan): Promise<Comparison> {
  const { pairs, count } = plan;
  const measured: Pair[] = [];
  for (let index = -warmUpPairs(pairs); index < pairs; index += 1) {
    const pair = {
      hugebar: (await hugebar(count)) / count,
      peer: peer === null ? null : (await peer(count)) / count,
    };
    if (index >= 0) measured.push(pair);
  }
  return summarise(measured);
}

/** The medians of each side, of the ratios and of the differences. */
export function summarise(pairs: readonly Pair[]): Comparison {
  const compared = pairs.flatMap(({ hugebar, peer }) => (peer === null ? [] : [{ hugebar, peer }]));
  const medianOf = (figure: (pair: { hugebar: number; peer: number }) => number): number | null =>
    compared.length === 0 ? null : median(compared.map(figure));
  return {
    hugebar: median(pairs.map(({ hugebar }) => hugebar)),
    peer: medianOf(({ peer }) => peer),
    ratio: medianOf(({ hugebar, peer }) => hugebar / peer),
    extra: medianOf(({ hugebar, peer }) => hugebar - peer),
  };
}

/** The middle value; of an even number of values, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const low = sorted[Math.ceil(middle) - 1];
  const high = sorted[Math.floor(middle)];
  if (low === undefined || high === undefined) throw new RangeError("no values, no median");
  return (low + high) / 2;
}

/** A side in this process, which does `work` count times. */
export function timed(work: (count: number) => void): Side {
  return (count) => {
    const start = process.hrtime.bigint();
    work(count);
    return Number(process.hrtime.bigint() - start);
  };
}
