/** Access to a mapped region: to memory where it is mapped, and elsewhere where it is not. */

import { hugebarError } from "../errors.ts";
import type { System } from "../system/system.ts";
import { copyFor } from "./aligned-copy.ts";
import { ForeignMemory } from "./foreign-memory.ts";
import type { LaidArea } from "./lay-region.ts";

/**
 * Typed arrays of at most this many bytes: an index past 2^31 would be a heap number, which costs more than the access.
 */
const WINDOW_SIZE = 2 ** 31;

/** A part of an area: the same bytes at each width. */
interface Window {
  /** In the region. */
  readonly start: number;
  readonly size: number;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  /** Signed: what `Atomics.load` gives of unsigned ones is a heap number from 2^31 on, which costs more than the load. */
  readonly i32: Int32Array;
  readonly u64: BigUint64Array;
}

/** Where no access is possible: before the first one, while memory is off, and once closed. */
const NO_WINDOW = windowOver(new ArrayBuffer(0), 0, 0, 0);

/** A place in the region for a window, which is made by the first access to it: a region may have thousands of areas. */
interface Place {
  readonly start: number;
  readonly end: number;
  readonly area: MappedArea;
  window: Window | null;
}

/** One area, as far as the region reaches, and what has been made over it. */
interface MappedArea {
  readonly start: number;
  readonly end: number;
  readonly laid: LaidArea;
  /** Never given out. Made by the first access: V8 answers a large buffer with a garbage collection, some milliseconds. */
  buffer: ArrayBuffer | null;
  /** Made by the first view. */
  foreign: ForeignMemory | null;
}

/** Who serves what no area holds whole, with the right error where it cannot be served. */
export interface Elsewhere {
  read(offset: number, target: Uint8Array): void;
  write(offset: number, source: Uint8Array): void;
  readWord(offset: number, width: number): DataView;
  writeWord(offset: number, width: number, fill: (word: DataView) => void): void;
}

export interface RegionMemoryParts {
  /** In the order of their offsets. */
  readonly areas: readonly LaidArea[];
  /** Bytes of the region: a page is mapped whole, and what lies behind the region's end is not the region's. */
  readonly size: number;
  /** What it is, as messages name it: `region 2 of 0000:01:00.0`. */
  readonly target: string;
  /** What the mapping's protection allows: any other access would be a fatal signal. */
  readonly readable: boolean;
  readonly writable: boolean;
  readonly elsewhere: Elsewhere;
  /** Looks, before many bytes are touched, whether that is fatal now; throws then. */
  readonly check: ((access: string, offset: number, length: number) => void) | null;
  readonly system: System;
}

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

const copy = copyFor(process.arch);

/**
 * A region's memory, until it is closed. Offsets count from the region's first byte. An access that lies whole in an area
 * is one access of exactly its width, little-endian; ERR_ACCESS_ALIGNMENT where its offset is no multiple of that. All
 * others go elsewhere. After `close` every access throws ERR_CLOSED.
 */
export class RegionMemory {
  readonly #parts: RegionMemoryParts;
  readonly #areas: readonly MappedArea[];
  #places: readonly Place[] | null = null;
  /** The windows of the last accesses: most follow one another closely. Their bounds are all that is looked at. */
  #reading = NO_WINDOW;
  #writing = NO_WINDOW;
  #state: "on" | "off" | "closed" = "on";
  /** Areas in whose place harmless memory lies while memory is off. */
  readonly #covered: LaidArea[] = [];

  constructor(parts: RegionMemoryParts) {
    this.#parts = parts;
    this.#areas = parts.areas.map((laid) => ({
      start: laid.offset,
      end: Math.min(laid.offset + laid.size, parts.size),
      laid,
      buffer: null,
      foreign: null,
    }));
  }

  read8(offset: number): number {
    const at = this.#toRead(offset, 1);
    if (at < 0) return this.#parts.elsewhere.readWord(offset, 1).getUint8(0);
    return Atomics.load(this.#reading.u8, at);
  }

  read16(offset: number): number {
    const at = this.#toRead(offset, 2);
    if (at < 0) return this.#parts.elsewhere.readWord(offset, 2).getUint16(0, true);
    return Atomics.load(this.#reading.u16, at >>> 1);
  }

  read32(offset: number): number {
    const at = this.#toRead(offset, 4);
    if (at < 0) return this.#parts.elsewhere.readWord(offset, 4).getUint32(0, true);
    return Atomics.load(this.#reading.i32, at >>> 2) >>> 0;
  }

  read64(offset: number): bigint {
    const at = this.#toRead(offset, 8);
    if (at < 0) return this.#parts.elsewhere.readWord(offset, 8).getBigUint64(0, true);
    return Atomics.load(this.#reading.u64, at >>> 3);
  }

  /** Writes the low 8 bits of `value`; the wider ones likewise write as many bits as they name. */
  write8(offset: number, value: number): void {
    const at = this.#toWrite(offset, 1);
    if (at >= 0) storeNumber(this.#writing.u8, at, value);
    else this.#parts.elsewhere.writeWord(offset, 1, (word) => word.setUint8(0, value));
  }

  write16(offset: number, value: number): void {
    const at = this.#toWrite(offset, 2);
    if (at >= 0) storeNumber(this.#writing.u16, at >>> 1, value);
    else this.#parts.elsewhere.writeWord(offset, 2, (word) => word.setUint16(0, value, true));
  }

  write32(offset: number, value: number): void {
    const at = this.#toWrite(offset, 4);
    if (at >= 0) storeNumber(this.#writing.i32, at >>> 2, value);
    else this.#parts.elsewhere.writeWord(offset, 4, (word) => word.setUint32(0, value, true));
  }

  write64(offset: number, value: bigint): void {
    const at = this.#toWrite(offset, 8);
    if (at >= 0) storeBigInt(this.#writing.u64, at >>> 3, value);
    else this.#parts.elsewhere.writeWord(offset, 8, (word) => word.setBigUint64(0, value, true));
  }

  /** Copies `target.length` bytes from `offset` into `target`. */
  copyOut(offset: number, target: Uint8Array): void {
    const area = this.#parts.readable ? this.#areaOf(offset, target.length) : null;
    if (area === null) {
      this.#parts.elsewhere.read(offset, target);
      return;
    }
    this.#parts.check?.("read", offset, target.length);
    copy.out(target, this.#bytesOf(area, offset, target.length));
  }

  /** Copies `source` to `offset`. */
  copyIn(offset: number, source: Uint8Array): void {
    const area = this.#parts.writable ? this.#areaOf(offset, source.length) : null;
    if (area === null) {
      this.#parts.elsewhere.write(offset, source);
      return;
    }
    this.#parts.check?.("write", offset, source.length);
    copy.in(this.#bytesOf(area, offset, source.length), source);
  }

  /** A zero-copy buffer over `length` bytes from `offset`; null where no single area holds them, or memory is off. */
  view(offset: number, length: number): ArrayBuffer | null {
    const area = this.#areaOf(offset, length);
    if (area === null) return null;
    this.#parts.check?.("view", offset, length);
    const { address, size } = area.laid;
    area.foreign ??= new ForeignMemory(address, size, this.#parts.system);
    return area.foreign.view(offset - area.start, length);
  }

  /** Where the range stands in this process; null where no single area holds it, or memory is off. */
  addressOf(offset: number, length: number): bigint | null {
    const area = this.#areaOf(offset, length);
    return area === null ? null : area.laid.address + BigInt(offset - area.start);
  }

  /** Whether accesses use memory. */
  get on(): boolean {
    return this.#state === "on" && this.#areas.length > 0;
  }

  /**
   * Sends every access elsewhere from now on. Areas that a view may still reach get harmless memory in their place.
   *
   * @throws ERR_SYSTEM where the kernel refuses that; memory is on then
   */
  switchOff(): void {
    if (this.#state !== "on") return;
    for (const { foreign, laid } of this.#areas) {
      if (foreign?.inUse !== true || this.#covered.includes(laid)) continue;
      if (!foreign.cover()) throw this.#cannotCover();
      this.#covered.push(laid);
    }
    this.#state = "off";
    this.#shut();
  }

  /**
   * Accesses use memory again, and so do the views.
   *
   * @param lay maps an area again in its place; what it throws leaves memory off
   */
  switchOn(lay: (area: LaidArea) => void): void {
    if (this.#state !== "off") return;
    for (let area = this.#covered.at(-1); area !== undefined; area = this.#covered.at(-1)) {
      lay(area);
      this.#covered.pop();
    }
    this.#state = "on";
  }

  /**
   * Ends all access.
   *
   * @returns the areas that a view may still reach: harmless memory lies there, which unmaps itself in time
   */
  close(): readonly LaidArea[] {
    if (this.#state === "closed") return [];
    this.#state = "closed";
    this.#shut();
    return this.#areas.filter(({ foreign }) => foreign !== null && !foreign.retire()).map(({ laid }) => laid);
  }

  /** No access is under way any more, one whose value is just being coerced neither: its array is empty then. */
  #shut(): void {
    this.#reading = NO_WINDOW;
    this.#writing = NO_WINDOW;
    this.#places = null;
    for (const area of this.#areas) {
      if (area.buffer !== null) this.#parts.system.detach(area.buffer);
      area.buffer = null;
    }
  }

  /** Makes the window that holds an access the one being read; returns where in it the access starts, −1 without one. */
  #toRead(offset: number, width: number): number {
    if (typeof offset !== "number") return -1; // to be refused
    const at = offset - this.#reading.start;
    const inside = at >= 0 && at <= this.#reading.size - width;
    if (inside && (at & (width - 1)) === 0 && (at | 0) === at) return at;
    const window = this.#parts.readable ? this.#seek(offset, width, "read") : this.#none();
    if (window === null) return -1;
    this.#reading = window;
    return offset - window.start;
  }

  #toWrite(offset: number, width: number): number {
    if (typeof offset !== "number") return -1; // to be refused
    const at = offset - this.#writing.start;
    const inside = at >= 0 && at <= this.#writing.size - width;
    if (inside && (at & (width - 1)) === 0 && (at | 0) === at) return at;
    const window = this.#parts.writable ? this.#seek(offset, width, "write") : this.#none();
    if (window === null) return -1;
    this.#writing = window;
    return offset - window.start;
  }

  #seek(offset: number, width: number, access: string): Window | null {
    this.#requireOpen();
    if (this.#state === "off" || !Number.isSafeInteger(offset)) return null;
    const place = partAt((this.#places ??= this.#areas.flatMap(placesOf)), offset);
    // Over the edge of an area the access is the file's, whole; over that of a window it is not aligned.
    if (place === null || offset + width > place.area.end) return null;
    if ((offset - place.area.start) % width !== 0) throw this.#misaligned(offset, width, access);
    place.window ??= windowOver(
      this.#bufferOf(place.area),
      place.start - place.area.start,
      place.start,
      place.end - place.start,
    );
    return place.window;
  }

  /** The area that holds the whole range; null where there is none. */
  #areaOf(offset: number, length: number): MappedArea | null {
    this.#requireOpen();
    const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && length >= 0;
    if (this.#state === "off" || !whole) return null;
    const area = partAt(this.#areas, offset);
    return area !== null && offset + length <= area.end ? area : null;
  }

  #bytesOf(area: MappedArea, offset: number, length: number): Uint8Array {
    return new Uint8Array(this.#bufferOf(area), offset - area.start, length);
  }

  #bufferOf(area: MappedArea): ArrayBuffer {
    area.buffer ??= this.#parts.system.view(area.laid.address, area.end - area.start);
    return area.buffer;
  }

  #none(): null {
    this.#requireOpen();
    return null;
  }

  #requireOpen(): void {
    if (this.#state === "closed")
      throw hugebarError("ERR_CLOSED", { what: `the mapping of ${this.#parts.target}` });
  }

  #cannotCover(): Error {
    return hugebarError("ERR_SYSTEM", {
      action: `switch the mapping of ${this.#parts.target} off`,
      problem: "a view of it may be in use, and the kernel gives no memory to put in its place",
    });
  }

  #misaligned(offset: number, width: number, access: string): Error {
    return hugebarError("ERR_ACCESS_ALIGNMENT", {
      access: `${access} ${width} bytes at offset ${offset}`,
      target: this.#parts.target,
      problem: `the offset is no multiple of ${width}`,
    });
  }
}

/** Of a sorted list, the one that holds `offset`; null where none does. */
function partAt<Part extends { readonly start: number; readonly end: number }>(
  parts: readonly Part[],
  offset: number,
): Part | null {
  let low = 0;
  let high = parts.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const part = parts[middle];
    if (part === undefined) return null;
    if (offset < part.start) high = middle - 1;
    else if (offset >= part.end) low = middle + 1;
    else return part;
  }
  return null;
}

function placesOf(area: MappedArea): Place[] {
  const places: Place[] = [];
  for (let start = area.start; start < area.end; start += WINDOW_SIZE) {
    places.push({ start, end: Math.min(start + WINDOW_SIZE, area.end), area, window: null });
  }
  return places;
}

/** @param at where in the buffer the window starts @param start where in the region */
function windowOver(buffer: ArrayBuffer, at: number, start: number, size: number): Window {
  return {
    start,
    size,
    u8: new Uint8Array(buffer, at, size),
    u16: new Uint16Array(buffer, at, Math.floor(size / 2)),
    i32: new Int32Array(buffer, at, Math.floor(size / 4)),
    u64: new BigUint64Array(buffer, at, Math.floor(size / 8)),
  };
}
