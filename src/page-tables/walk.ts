/** Walks page tables: reads whole tables, skips what is empty, and tells every leaf of a stretch of addresses. */

import { TablesChanged } from "./changed.ts";
import type { PhysicalMemory } from "./kcore.ts";
import { EMPTY, LEAF, shiftAt, TABLE, type TableFormat } from "./table-format.ts";

/** Leaves of one size that follow one another in addresses and in memory. */
export interface LeafRun {
  /** Of the first, from the start of the walk; below 0 where a leaf begins before. */
  readonly offset: number;
  /** Bytes that each maps. */
  readonly leaf: number;
  readonly count: number;
  /** The physical address of the first. */
  readonly physical: number;
}

export interface Walk {
  readonly memory: PhysicalMemory;
  readonly format: TableFormat;
  /** The physical address of the root. */
  readonly root: number;
  /** The first address, a multiple of the page size. */
  readonly from: bigint;
  /** Bytes from there on, a multiple of the page size. */
  readonly size: number;
  /** Takes runs in ascending order. */
  readonly visit: (run: LeafRun) => void;
  /** Whether a physical address may be mapped; by default anything below 2^52. */
  readonly isPlausible?: (physical: number, size: number) => boolean;
  /** Told now and then how many of the bytes have been walked. */
  readonly progress?: (bytes: number) => void;
  /** More tables than this are not read: what leads to more is no page table. */
  readonly mostTables?: number;
}

/**
 * So many tables of the last level are read at once, where they lie side by side: a kernel that makes many takes them one after
 * the other from its memory.
 */
const MOST_AT_ONCE = 16;
/** 2^21 tables of 4 KiB map 4 TiB in pages. */
const MOST_TABLES = 2 ** 21;

/**
 * Walks the tables; every table that leads on is read again once what lies below it has been read, so that a table that
 * was given back meanwhile is noticed.
 *
 * @returns how many tables were read
 * @throws TablesChanged where what was read cannot be page tables, or did not stay as it was
 */
export function walkTables(walk: Walk): number {
  const walker = new Walker(walk);
  const { format, from, root } = walk;
  const rootSpan = 1n << BigInt(format.addressBits);
  if (from < 0n || from + BigInt(walk.size) > rootSpan) {
    throw new TablesChanged(`0x${from.toString(16)} is no address of these tables`);
  }
  // Multiples of a page up to 2^57 are exact as numbers.
  walker.table(
    root,
    format.levels,
    -Number(from),
    2 ** (format.addressBits - shiftAt(format, format.levels)),
  );
  return walker.tables;
}

class Walker {
  tables = 0;
  readonly #walk: Walk;
  readonly #entries: number;
  readonly #pages: readonly Uint32Array[];
  readonly #again: Uint32Array;
  /** Tables of the last level that lie side by side, from an address on. */
  readonly #last: readonly Uint32Array[];
  #lastFrom = 0;
  #lastCount = 0;
  /** The tables above the present one: one of them cannot come again. */
  readonly #path: number[] = [];

  constructor(walk: Walk) {
    this.#walk = walk;
    const words = 2 ** walk.format.pageShift / 4;
    this.#entries = words / 2;
    this.#pages = Array.from({ length: walk.format.levels + 1 }, () => new Uint32Array(words));
    this.#again = new Uint32Array(words);
    const last = new Uint32Array(words * MOST_AT_ONCE);
    this.#last = Array.from({ length: MOST_AT_ONCE }, (_, index) =>
      last.subarray(index * words, (index + 1) * words),
    );
  }

  /**
   * @param start where the table's first address lies, from the walk's first: mostly before it
   * @param entries how many there are: at the root they may be fewer than a page has, or several pages of them
   * @param beside how many tables of this level lie side by side from here on, which all will be wanted
   */
  table(physical: number, level: number, start: number, entries = this.#entries, beside = 1): void {
    const { format, size } = this.#walk;
    const span = 2 ** shiftAt(format, level);
    const first = start < 0 ? Math.floor(-start / span) : 0;
    const end = Math.min(entries, Math.ceil((size - start) / span));
    const each = this.#entries;
    for (let page = Math.floor(first / each); page * each < end; page += 1) {
      const from = page * each;
      this.#page(
        physical + from * 8,
        level,
        start + from * span,
        Math.max(first - from, 0),
        Math.min(end - from, each),
        beside,
      );
    }
  }

  #page(physical: number, level: number, start: number, first: number, end: number, beside: number): void {
    const { memory, format, mostTables = MOST_TABLES } = this.#walk;
    if (this.#path.includes(physical)) throw new TablesChanged("a table leads back to itself");
    this.tables += 1;
    if (this.tables > mostTables) throw new TablesChanged("there are too many tables");
    const words = level === 1 ? this.#lastLevel(physical, beside) : this.#read(physical, level, end);
    const span = 2 ** shiftAt(format, level);
    const followed = this.#entriesOf(words, physical, level, start, first, end, span);
    if (followed === 0) return;
    memory.readPhysical(physical, new Uint8Array(this.#again.buffer, 0, end * 8));
    this.#compare(words, level, first, end);
    if (level === 2) this.#walk.progress?.(Math.min(start + end * span, this.#walk.size));
  }

  #read(physical: number, level: number, end: number): Uint32Array {
    const words = this.#pages[level];
    if (words === undefined) throw new TablesChanged("there is no such level");
    this.#walk.memory.readPhysical(physical, new Uint8Array(words.buffer, 0, end * 8));
    return words;
  }

  /** A table of the last level, read along with those beside it. */
  #lastLevel(physical: number, beside: number): Uint32Array {
    const size = this.#entries * 8;
    const index = (physical - this.#lastFrom) / size;
    const isThere = Number.isInteger(index) && index >= 0 && index < this.#lastCount;
    if (!isThere) this.#readLast(physical, Math.min(beside, MOST_AT_ONCE));
    const words = this.#last[isThere ? index : 0];
    if (words === undefined) throw new TablesChanged("there is no such table");
    return words;
  }

  #readLast(physical: number, count: number): void {
    const [first] = this.#last;
    if (first === undefined) return;
    this.#lastCount = 0;
    try {
      const bytes = new Uint8Array(first.buffer, 0, count * this.#entries * 8);
      this.#walk.memory.readPhysical(physical, bytes);
    } catch (error) {
      // Neighbours in memory may lie in two segments of the file.
      if (!(error instanceof TablesChanged) || count === 1) throw error;
      this.#readLast(physical, 1);
      return;
    }
    this.#lastFrom = physical;
    this.#lastCount = count;
  }

  /** @returns how many tables were followed */
  #entriesOf(
    words: Uint32Array,
    physical: number,
    level: number,
    start: number,
    first: number,
    end: number,
    span: number,
  ): number {
    const { format } = this.#walk;
    const tableSize = this.#entries * 8;
    let followed = 0;
    let besideUntil = first;
    // What was read for another table's entries may have been given back since, and be another table now.
    if (level === 2) this.#lastCount = 0;
    for (let index = first; index < end; index += 1) {
      const low = words[2 * index] ?? 0;
      const high = words[2 * index + 1] ?? 0;
      if (low === 0 && high === 0) continue;
      const kind = format.kindOf(low, high, level);
      if (kind === EMPTY) continue;
      if (kind === LEAF) {
        const count = runLength(words, index, end, span);
        this.#emit(start + index * span, span, count, format.physicalOf(low, high, level));
        index += count - 1;
      } else if (kind === TABLE) {
        followed += 1;
        // Of the last level alone, for these buffers are one.
        if (level === 2 && index >= besideUntil)
          besideUntil = index + runLength(words, index, end, tableSize);
        this.#path.push(physical);
        // The address of a table has no flags among its lower bits, as that of a large leaf has.
        this.table(
          format.physicalOf(low, high, 1),
          level - 1,
          start + index * span,
          this.#entries,
          Math.max(besideUntil - index, 1),
        );
        this.#path.pop();
      } else {
        throw new TablesChanged(`an entry of level ${level} is none`);
      }
    }
    return followed;
  }

  #emit(offset: number, leaf: number, count: number, physical: number): void {
    const { isPlausible, visit } = this.#walk;
    if (physical % leaf !== 0 || physical + leaf * count > 2 ** 52) {
      throw new TablesChanged("a leaf maps no memory that there can be");
    }
    if (isPlausible !== undefined && !isPlausible(physical, leaf * count)) {
      throw new TablesChanged("a leaf maps neither memory nor a device");
    }
    visit({ offset, leaf, count, physical });
  }

  /** What was followed must still lead to where it led: else the table below was given back while it was read. */
  #compare(words: Uint32Array, level: number, first: number, end: number): void {
    const { format } = this.#walk;
    const again = this.#again;
    for (let index = first; index < end; index += 1) {
      const low = words[2 * index] ?? 0;
      const high = words[2 * index + 1] ?? 0;
      if (format.kindOf(low, high, level) !== TABLE) continue;
      const newLow = again[2 * index] ?? 0;
      const newHigh = again[2 * index + 1] ?? 0;
      if (
        format.kindOf(newLow, newHigh, level) !== TABLE ||
        format.physicalOf(newLow, newHigh, 1) !== format.physicalOf(low, high, 1)
      ) {
        throw new TablesChanged("a table was given back");
      }
    }
  }
}

/** How many entries from `index` on are each the one before, one leaf further: the same flags, the next address. */
function runLength(words: Uint32Array, index: number, end: number, span: number): number {
  // From 4 GiB on the step is in the upper half alone; no leaf of device memory is as large.
  if (span >= 2 ** 32) return 1;
  let low = words[2 * index] ?? 0;
  let high = words[2 * index + 1] ?? 0;
  let next = index + 1;
  for (; next < end; next += 1) {
    const sum = low + span;
    low = sum >>> 0;
    if (sum !== low) high += 1;
    if (words[2 * next] !== low || words[2 * next + 1] !== high) break;
  }
  return next - index;
}
