/** Which addresses of a DMA address space are taken, and where there is room. Arithmetic only. */

/** Addresses as a device sees them, both ends included. */
export interface IovaRange {
  readonly first: bigint;
  readonly last: bigint;
}

export class IovaTable {
  /** In order, without overlap. */
  readonly #taken: IovaRange[] = [];

  get ranges(): readonly IovaRange[] {
    return [...this.#taken];
  }

  /** What is taken of these addresses, the lowest of it; null where nothing is. */
  overlapping({ first, last }: IovaRange): IovaRange | null {
    const found = this.#taken[this.#placeOf(first)];
    return found !== undefined && found.first <= last ? found : null;
  }

  /** Takes addresses that are free. */
  add(range: IovaRange): void {
    this.#taken.splice(this.#placeOf(range.first), 0, range);
  }

  /** Frees what was taken as this very range. */
  remove({ first, last }: IovaRange): void {
    const place = this.#placeOf(first);
    const found = this.#taken[place];
    if (found?.first === first && found.last === last) this.#taken.splice(place, 1);
  }

  /**
   * The lowest free address of `usable`, a multiple of `alignment`, with `size` bytes behind it that are free and usable
   * too; null where there is none.
   *
   * @param usable in order
   * @param limits `first` and `last` of what the device can reach
   */
  findFree(usable: readonly IovaRange[], size: bigint, alignment: bigint, limits: IovaRange): bigint | null {
    for (const { first, last } of usable) {
      const end = last < limits.last ? last : limits.last;
      let at = roundUp(first > limits.first ? first : limits.first, alignment);
      for (;;) {
        const wanted = { first: at, last: at + size - 1n };
        if (wanted.last > end) break;
        const obstacle = this.overlapping(wanted);
        if (obstacle === null) return at;
        at = roundUp(obstacle.last + 1n, alignment);
      }
    }
    return null;
  }

  /** The place of the first range that does not end before `first`. */
  #placeOf(first: bigint): number {
    let low = 0;
    let high = this.#taken.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#taken[middle]?.last ?? first) < first) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The usable ranges' counterpart: what lies between them, which the IOMMU keeps for itself. */
export function reservedBetween(usable: readonly IovaRange[]): IovaRange[] {
  return usable.flatMap(({ last }, index) => {
    const next = usable[index + 1];
    return next === undefined || next.first <= last + 1n ? [] : [{ first: last + 1n, last: next.first - 1n }];
  });
}

function roundUp(value: bigint, multiple: bigint): bigint {
  return ((value + multiple - 1n) / multiple) * multiple;
}
