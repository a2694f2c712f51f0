/** Access to the memory of one mapped area. */

import { hugebarError, type HugebarError } from "../errors.ts";
import type { System } from "../system/system.ts";
import { Views } from "./views.ts";

/**
 * Typed arrays of at most this many bytes: an index past 2^31 would be a heap number, which costs more than the access.
 */
const WINDOW_SIZE = 2 ** 31;

/** A part of the area: the same bytes at each width. */
interface Window {
  readonly start: number;
  readonly size: number;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  /** Signed: what `Atomics.load` gives of unsigned ones is a heap number from 2^31 on, which costs more than the load. */
  readonly i32: Int32Array;
  readonly u64: BigUint64Array;
}

/** Where no access is possible: before the first one, and once closed. */
const NO_WINDOW = windowOver(new ArrayBuffer(0), 0, 0);

/**
 * One store of exactly the array's width. On x86-64 V8 makes `Atomics.store` an XCHG, which also reads the register,
 * and an element store a MOV, which this architecture keeps in order. Elsewhere `Atomics.store` is a store (arm64: STLR,
 * after all that was written before it) and the only one that is ordered.
 */
const storeNumber: (array: Uint8Array | Uint16Array | Int32Array, index: number, value: number) => void =
  process.arch === "x64"
    ? (array, index, value) => {
        array[index] = value;
      }
    : Atomics.store;
const storeBigInt: (array: BigUint64Array, index: number, value: bigint) => void =
  process.arch === "x64"
    ? (array, index, value) => {
        array[index] = value;
      }
    : Atomics.store;

/**
 * The memory of one mapped area, until it is detached. Offsets count from the area's first byte. Registers are read and
 * written by one access of exactly that width, little-endian; copies and views are for memory.
 *
 * Every access throws ERR_ACCESS_RANGE where it does not lie in the area, ERR_ACCESS_ALIGNMENT where its offset is no
 * multiple of its width, and ERR_CLOSED once the memory is detached. What may be read and written is the caller's to
 * know: an access that the mapping's protection forbids is a fatal signal.
 */
export class MappedMemory {
  readonly #address: bigint;
  readonly #size: number;
  readonly #target: string;
  readonly #system: System;
  /** Made by the first view: a region may have thousands of areas. */
  #views: Views | null = null;
  /** Made by the first access: V8 answers a large buffer with a garbage collection, some milliseconds. */
  #buffer: ArrayBuffer | null = null;
  #windows: Window[] = [];
  /** The window of the last access: most follow one another closely. */
  #window = NO_WINDOW;
  #closed = false;

  /**
   * @param address where the area starts in this process
   * @param size bytes, a multiple of 8
   * @param target what it is, as messages name it: `region 2 of 0000:01:00.0`
   */
  constructor(address: bigint, size: number, target: string, system: System) {
    this.#address = address;
    this.#size = size;
    this.#target = target;
    this.#system = system;
  }

  read8(offset: number): number {
    const at = this.#enter(offset, 1, "read");
    return Atomics.load(this.#window.u8, at);
  }

  read16(offset: number): number {
    const at = this.#enter(offset, 2, "read");
    return Atomics.load(this.#window.u16, at >>> 1);
  }

  read32(offset: number): number {
    const at = this.#enter(offset, 4, "read");
    return Atomics.load(this.#window.i32, at >>> 2) >>> 0;
  }

  read64(offset: number): bigint {
    const at = this.#enter(offset, 8, "read");
    return Atomics.load(this.#window.u64, at >>> 3);
  }

  /** Writes the low 8 bits of `value`; the wider ones likewise write as many bits as they name. */
  write8(offset: number, value: number): void {
    const at = this.#enter(offset, 1, "write");
    storeNumber(this.#window.u8, at, value);
  }

  write16(offset: number, value: number): void {
    const at = this.#enter(offset, 2, "write");
    storeNumber(this.#window.u16, at >>> 1, value);
  }

  write32(offset: number, value: number): void {
    const at = this.#enter(offset, 4, "write");
    storeNumber(this.#window.i32, at >>> 2, value);
  }

  write64(offset: number, value: bigint): void {
    const at = this.#enter(offset, 8, "write");
    storeBigInt(this.#window.u64, at >>> 3, value);
  }

  /** Copies `target.length` bytes from `offset` into `target`. */
  copyOut(offset: number, target: Uint8Array): void {
    target.set(this.#bytesAt(offset, target.length, "read"));
  }

  /** Copies `source` to `offset`. */
  copyIn(offset: number, source: Uint8Array): void {
    this.#bytesAt(offset, source.length, "write").set(source);
  }

  /**
   * A zero-copy buffer over `length` bytes from `offset`; it has length 0 once the memory is detached, and cannot be
   * transferred. Make large ones once and keep them: V8 answers each with a garbage collection.
   */
  view(offset: number, length: number): ArrayBuffer {
    this.#checkRange(offset, length, "view");
    this.#views ??= new Views(this.#system);
    return this.#views.add(this.#address + BigInt(offset), length);
  }

  /** Detaches the views handed out so far; access goes on. */
  detachViews(): void {
    this.#views?.detach();
  }

  /**
   * Ends all access, and detaches every view.
   *
   * @returns whether the memory may be unmapped now: false where a view was carried off, by
   *   `ArrayBuffer.prototype.transfer` for example, and an access through it is still possible
   */
  detach(): boolean {
    this.#closed = true;
    this.#windows = [];
    this.#window = NO_WINDOW;
    if (this.#buffer !== null) this.#system.detach(this.#buffer);
    this.#buffer = null;
    return this.#views?.detach() ?? true;
  }

  /** Makes the window that holds an access of `width` bytes the current one; returns where in it the access starts. */
  #enter(offset: number, width: number, access: string): number {
    const at = offset - this.#window.start;
    const inside = at >= 0 && at <= this.#window.size - width;
    return inside && (at & (width - 1)) === 0 && (at | 0) === at
      ? at
      : this.#enterOther(offset, width, access);
  }

  #enterOther(offset: number, width: number, access: string): number {
    const inside = Number.isSafeInteger(offset) && offset >= 0 && offset <= this.#size - width;
    if (!inside) throw this.#outside(offset, width, access);
    if (offset % width !== 0) throw this.#misaligned(offset, width, access);
    const number = Math.floor(offset / WINDOW_SIZE);
    this.#window = this.#windows[number] ??= this.#openWindow(number * WINDOW_SIZE);
    return offset - this.#window.start;
  }

  #openWindow(start: number): Window {
    return windowOver(this.#open(), start, Math.min(WINDOW_SIZE, this.#size - start));
  }

  #bytesAt(offset: number, length: number, access: string): Uint8Array {
    this.#checkRange(offset, length, access);
    return new Uint8Array(this.#open(), offset, length);
  }

  #open(): ArrayBuffer {
    if (this.#closed) throw hugebarError("ERR_CLOSED", { what: this.#target });
    this.#buffer ??= this.#system.view(this.#address, this.#size);
    return this.#buffer;
  }

  #checkRange(offset: number, length: number, access: string): void {
    const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length);
    if (this.#closed || !whole || offset < 0 || length < 0 || offset > this.#size - length) {
      throw this.#outside(offset, length, access);
    }
  }

  #outside(offset: number, length: number, access: string): HugebarError {
    return this.#refusal("ERR_ACCESS_RANGE", offset, length, access, `the area has ${this.#size} bytes`);
  }

  #misaligned(offset: number, width: number, access: string): HugebarError {
    const problem = `the offset is no multiple of ${width}`;
    return this.#refusal("ERR_ACCESS_ALIGNMENT", offset, width, access, problem);
  }

  #refusal(
    code: "ERR_ACCESS_RANGE" | "ERR_ACCESS_ALIGNMENT",
    offset: number,
    length: number,
    access: string,
    problem: string,
  ): HugebarError {
    if (this.#closed) return hugebarError("ERR_CLOSED", { what: this.#target });
    const details = {
      access: `${access} ${length} bytes at offset ${offset}`,
      target: this.#target,
      problem,
    };
    return hugebarError(code, details);
  }
}

function windowOver(buffer: ArrayBuffer, start: number, size: number): Window {
  return {
    start,
    size,
    u8: new Uint8Array(buffer, start, size),
    u16: new Uint16Array(buffer, start, size / 2),
    i32: new Int32Array(buffer, start, size / 4),
    u64: new BigUint64Array(buffer, start, size / 8),
  };
}
