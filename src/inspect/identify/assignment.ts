/**
 * Which of several readings of a process's mappings can be true together: a program maps no byte of a region twice, so
 * that a mapping which fills a BAR leaves none of it for another.
 */

/** A way to read one mapping: so much of one region of one device. */
export interface Reading {
  readonly device: string | null;
  readonly region: number | null;
  /** Where in the region; null where that is not known. */
  readonly offset: number | null;
}

/** A mapping with the ways to read it. */
export interface Puzzle<R extends Reading> {
  readonly size: number;
  readonly readings: readonly R[];
}

/** So many steps solve what real programs map; a machine that lies gets the readings as they are. */
const MOST_STEPS = 100_000;
const MOST_MAPPINGS = 512;

/**
 * The readings of each mapping that are part of a way to read all of them; those given where there is no such way (a
 * program that does map a region twice), or where it would take too long to find out.
 */
export function readTogether<R extends Reading>(puzzles: readonly Puzzle<R>[]): (readonly R[])[] {
  const left = puzzles.map(({ readings }) => readings);
  if (puzzles.length > MOST_MAPPINGS) return left;
  if (!narrow(puzzles, left)) return puzzles.map(({ readings }) => readings);
  const budget = { steps: MOST_STEPS };
  try {
    return left.map((readings, index) =>
      readings.length < 2
        ? readings
        : readings.filter((reading) => isPossible(puzzles, left, index, reading, budget)),
    );
  } catch (error) {
    if (error instanceof OutOfSteps) return left;
    throw error;
  }
}

class OutOfSteps extends Error {}

/** Takes away what the mappings with one reading only leave no room for; false where one is left with none. */
function narrow<R extends Reading>(puzzles: readonly Puzzle<R>[], left: (readonly R[])[]): boolean {
  const settled = new Set<number>();
  for (;;) {
    const next = left.findIndex((readings, index) => readings.length === 1 && !settled.has(index));
    if (next === -1) return true;
    settled.add(next);
    const [only] = left[next] ?? [];
    if (only === undefined) continue;
    const size = puzzles[next]?.size ?? 0;
    for (const [index, readings] of left.entries()) {
      if (index === next || readings.length === 0) continue;
      const kept = readings.filter((each) => !overlap(only, size, each, puzzles[index]?.size ?? 0));
      if (kept.length === 0) return false;
      if (kept.length < readings.length) left[index] = kept;
    }
  }
}

/** Whether all others can be read somehow when the mapping `fixed` is read so. */
function isPossible<R extends Reading>(
  puzzles: readonly Puzzle<R>[],
  left: readonly (readonly R[])[],
  fixed: number,
  reading: R,
  budget: { steps: number },
): boolean {
  const taken: { reading: R; size: number }[] = [{ reading, size: puzzles[fixed]?.size ?? 0 }];
  // Those with the fewest ways first; for those with one, room is made already.
  const open = [...left.keys()]
    .filter((index) => index !== fixed && (left[index]?.length ?? 0) > 1)
    .sort((one, other) => (left[one]?.length ?? 0) - (left[other]?.length ?? 0));
  const place = (at: number): boolean => {
    const index = open[at];
    if (index === undefined) return true;
    const size = puzzles[index]?.size ?? 0;
    for (const candidate of left[index] ?? []) {
      if ((budget.steps -= 1) < 0) throw new OutOfSteps();
      if (taken.some((other) => overlap(other.reading, other.size, candidate, size))) continue;
      taken.push({ reading: candidate, size });
      const fits = place(at + 1);
      taken.pop();
      if (fits) return true;
    }
    return false;
  };
  return place(0);
}

function overlap(one: Reading, oneSize: number, other: Reading, otherSize: number): boolean {
  if (one.device === null || one.device !== other.device) return false;
  if (one.region === null || one.region !== other.region) return false;
  if (one.offset === null || other.offset === null) return false;
  return one.offset < other.offset + otherSize && other.offset < one.offset + oneSize;
}
