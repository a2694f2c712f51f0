/** Access to the memory of one mapped area. */

import { hugebarError, type HugebarError } from "../errors.ts";
import type { System } from "./system.ts";
import { Views } from "./views.ts";

/**
 * Typed arrays of at most this many bytes: an index past 2^31 would be a heap number, which costs more than the access.
 */
const WINDOW_SIZE = 2 ** 31;

/** The same bytes at each width. */
interface Window {
  readonly start: number;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly u64: BigUint64Array;
}

/**
 * One store of exactly the array's width. On x86-64 V8 makes `Atomics.store` an XCHG, which also reads the register,
 * and an element store a MOV, which this architecture keeps in order. Elsewhere `Atomics.store` is a store (arm64: STLR,
 * after all that was written before it) and the only one that is ordered.
 */
const storeNumber: (array: Uint8Array | Uint16Array | Uint32Array, index: number, value: number) => void =
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
  readonly #views: Views;
  /** Made by the first access: V8 answers a large buffer with a garbage collection, some milliseconds. */
  #buffer: ArrayBuffer | null = null;
  #windows: Window[] = [];
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
    this.#views = new Views(system);
  }

  read8(offset: number): number {
    const { u8, start } = this.#windowAt(offset, 1, "read");
    return Atomics.load(u8, offset - start);
  }

  read16(offset: number): number {
    const { u16, start } = this.#windowAt(offset, 2, "read");
    return Atomics.load(u16, (offset - start) >>> 1);
  }

  read32(offset: number): number {
    const { u32, start } = this.#windowAt(offset, 4, "read");
    return Atomics.load(u32, (offset - start) >>> 2);
  }

  read64(offset: number): bigint {
    const { u64, start } = this.#windowAt(offset, 8, "read");
    return Atomics.load(u64, (offset - start) >>> 3);
  }

  /** Writes the low 8 bits of `value`; the wider ones likewise write as many bits as they name. */
  write8(offset: number, value: number): void {
    const { u8, start } = this.#windowAt(offset, 1, "write");
    storeNumber(u8, offset - start, value);
  }

  write16(offset: number, value: number): void {
    const { u16, start } = this.#windowAt(offset, 2, "write");
    storeNumber(u16, (offset - start) >>> 1, value);
  }

  write32(offset: number, value: number): void {
    const { u32, start } = this.#windowAt(offset, 4, "write");
    storeNumber(u32, (offset - start) >>> 2, value);
  }

  write64(offset: number, value: bigint): void {
    const { u64, start } = this.#windowAt(offset, 8, "write");
    storeBigInt(u64, (offset - start) >>> 3, value);
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
    return this.#views.add(this.#address + BigInt(offset), length);
  }

  /** Detaches the views handed out so far; access goes on. */
  detachViews(): void {
    this.#views.detach();
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
    if (this.#buffer !== null) this.#system.detach(this.#buffer);
    this.#buffer = null;
    return this.#views.detach();
  }

  /** The window that holds a checked access of `width` bytes. */
  #windowAt(offset: number, width: number, access: string): Window {
    // Written so that NaN fails too.
    if (!(offset >= 0 && offset <= this.#size - width)) throw this.#outside(offset, width, access);
    const window = this.#windows[Math.floor(offset / WINDOW_SIZE)] ?? this.#openWindow(offset);
    const within = offset - window.start;
    if ((within | 0) !== within || (within & (width - 1)) !== 0)
      throw this.#misaligned(offset, width, access);
    return window;
  }

  #openWindow(offset: number): Window {
    const buffer = this.#open();
    const number = Math.floor(offset / WINDOW_SIZE);
    const start = number * WINDOW_SIZE;
    const size = Math.min(WINDOW_SIZE, this.#size - start);
    const window = {
      start,
      u8: new Uint8Array(buffer, start, size),
      u16: new Uint16Array(buffer, start, size / 2),
      u32: new Uint32Array(buffer, start, size / 4),
      u64: new BigUint64Array(buffer, start, size / 8),
    };
    this.#windows[number] = window;
    return window;
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
    if (!Number.isInteger(offset)) return this.#outside(offset, width, access);
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
