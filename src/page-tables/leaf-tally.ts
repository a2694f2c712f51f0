/** Gathers the leaves of a walk: how many of each size, exactly, and where, as far as that stays small. */

import type { LeafCount } from "../layout/leaves.ts";
import type { LeafRun } from "./walk.ts";

/** Leaves that are there, as page tables have them. */
export interface LeavesRead {
  /** Large to small; sizes without any are left out. */
  readonly leaves: readonly LeafCount[];
  /** Bytes of the stretch that have a leaf. */
  readonly mappedBytes: number;
  /** Where they are, in order, neighbours merged; null where that would be more than 4,096 runs. */
  readonly runs: readonly LeafRun[] | null;
  /** How many tables were read for it. */
  readonly tables: number;
}

const MOST_RUNS = 4096;

export class LeafTally {
  readonly #counts = new Map<number, number>();
  readonly #size: number;
  #mapped = 0;
  #runs: LeafRun[] | null = [];
  #last: LeafRun | null = null;

  /** @param size bytes of the stretch that is walked */
  constructor(size: number) {
    this.#size = size;
  }

  add(run: LeafRun): void {
    const { offset, leaf, count } = run;
    this.#counts.set(leaf, (this.#counts.get(leaf) ?? 0) + count);
    this.#mapped += Math.min(offset + leaf * count, this.#size) - Math.max(offset, 0);
    const last = this.#last;
    if (last !== null && continues(last, run)) {
      this.#last = { ...last, count: last.count + count };
      return;
    }
    this.#keep();
    this.#last = run;
  }

  result(tables: number): LeavesRead {
    this.#keep();
    this.#last = null;
    return {
      leaves: [...this.#counts].map(([size, count]) => ({ size, count })).sort((a, b) => b.size - a.size),
      mappedBytes: this.#mapped,
      runs: this.#runs,
      tables,
    };
  }

  #keep(): void {
    if (this.#last === null || this.#runs === null) return;
    if (this.#runs.length === MOST_RUNS) this.#runs = null;
    else this.#runs.push(this.#last);
  }
}

function continues(last: LeafRun, next: LeafRun): boolean {
  const bytes = last.leaf * last.count;
  return (
    last.leaf === next.leaf && last.offset + bytes === next.offset && last.physical + bytes === next.physical
  );
}
