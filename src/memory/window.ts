/** Parts of an area's memory as typed arrays, which register accesses index. */

/**
 * Typed arrays of at most this many bytes: an index past 2^31 would be a heap number, which costs more than the access.
 */
const WINDOW_SIZE = 2 ** 31;

/** A part of an area: the same bytes at each width. */
export interface Window {
  /** In the region. */
  readonly start: number;
  readonly size: number;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  /** Signed: what `Atomics.load` gives of unsigned ones is a heap number from 2^31 on, which costs more than the load. */
  readonly i32: Int32Array;
  readonly u64: BigUint64Array;
}

/** From where to where, in the region. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** @param at where in the buffer the window starts @param start where in the region */
export function windowOver(buffer: ArrayBuffer, at: number, start: number, size: number): Window {
  return {
    start,
    size,
    u8: new Uint8Array(buffer, at, size),
    u16: new Uint16Array(buffer, at, Math.floor(size / 2)),
    i32: new Int32Array(buffer, at, Math.floor(size / 4)),
    u64: new BigUint64Array(buffer, at, Math.floor(size / 8)),
  };
}

/** Where no access is possible. */
export const NO_WINDOW = windowOver(new ArrayBuffer(0), 0, 0, 0);

/** The windows that an area needs. */
export function windowSpans(area: Span): Span[] {
  const spans: Span[] = [];
  for (let { start } = area; start < area.end; start += WINDOW_SIZE) {
    spans.push({ start, end: Math.min(start + WINDOW_SIZE, area.end) });
  }
  return spans;
}

/** Of a sorted list, the one that holds `offset`; null where none does. */
export function spanAt<Part extends Span>(spans: readonly Part[], offset: number): Part | null {
  let low = 0;
  let high = spans.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const span = spans[middle];
    if (span === undefined) return null;
    if (offset < span.start) high = middle - 1;
    else if (offset >= span.end) low = middle + 1;
    else return span;
  }
  return null;
}

/**
 * One store of exactly the array's width. On x86-64 V8 makes `Atomics.store` an XCHG, which also reads the register,
 * and an element store a MOV, which this architecture keeps in order. Elsewhere `Atomics.store` is a store (arm64: STLR,
 * after all that was written before it) and the only one that is ordered.
 */
export const storeNumber: (
  array: Uint8Array | Uint16Array | Int32Array,
  index: number,
  value: number,
) => void =
  process.arch === "x64"
    ? (array, index, value) => {
        array[index] = value;
      }
    : Atomics.store;
export const storeBigInt: (array: BigUint64Array, index: number, value: bigint) => void =
  process.arch === "x64"
    ? (array, index, value) => {
        array[index] = value;
      }
    : Atomics.store;
