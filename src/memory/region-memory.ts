/** Access to a mapped region: to memory where it is mapped, and elsewhere where it is not. */

import { hugebarError } from "../errors.ts";
import type { System } from "../system/system.ts";
import { copyFor } from "./aligned-copy.ts";
import type { LaidArea } from "./lay-region.ts";
import { MappedArea } from "./mapped-area.ts";
import {
  NO_WINDOW,
  spanAt,
  storeBigInt,
  storeNumber,
  windowOver,
  windowSpans,
  type Span,
  type Window,
} from "./window.ts";

/** A place in the region for a window, which is made by the first access to it: a region may have thousands of areas. */
interface Place extends Span {
  readonly area: MappedArea;
  window: Window | null;
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

  constructor(parts: RegionMemoryParts) {
    this.#parts = parts;
    this.#areas = parts.areas.map((laid) => new MappedArea(laid, parts.size, parts.system));
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
    copy.out(target, area.bytes(offset, target.length));
  }

  /** Copies `source` to `offset`. */
  copyIn(offset: number, source: Uint8Array): void {
    const area = this.#parts.writable ? this.#areaOf(offset, source.length) : null;
    if (area === null) {
      this.#parts.elsewhere.write(offset, source);
      return;
    }
    this.#parts.check?.("write", offset, source.length);
    copy.in(area.bytes(offset, source.length), source);
  }

  /** A zero-copy buffer over `length` bytes from `offset`; null where no single area holds them, or memory is off. */
  view(offset: number, length: number): ArrayBuffer | null {
    const area = this.#areaOf(offset, length);
    if (area === null) return null;
    this.#parts.check?.("view", offset, length);
    return area.view(offset, length);
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
   * @param lay maps an area again in its place, where another cannot be given harmless memory
   * @throws ERR_SYSTEM where the kernel refuses that; memory is on then. What `lay` throws; memory is off then
   */
  switchOff(lay: (area: LaidArea) => void): void {
    if (this.#state !== "on") return;
    const refused = this.#areas.some((area) => !area.cover());
    this.#state = "off";
    this.#shut();
    if (!refused) return;
    this.switchOn(lay);
    throw this.#cannotCover();
  }

  /**
   * Accesses use memory again, and so do the views.
   *
   * @param lay maps an area again in its place; what it throws leaves memory off
   */
  switchOn(lay: (area: LaidArea) => void): void {
    if (this.#state !== "off") return;
    for (const area of this.#areas) area.uncover(lay);
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
    return this.#areas.filter((area) => !area.retire()).map(({ laid }) => laid);
  }

  #shut(): void {
    this.#reading = NO_WINDOW;
    this.#writing = NO_WINDOW;
    this.#places = null;
    for (const area of this.#areas) area.shut();
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
    const place = spanAt((this.#places ??= this.#areas.flatMap(placesOf)), offset);
    // Over the edge of an area the access is the file's, whole; over that of a window it is not aligned.
    if (place === null || offset + width > place.area.end) return null;
    if ((offset - place.area.start) % width !== 0) throw this.#misaligned(offset, width, access);
    place.window ??= windowOver(
      place.area.buffer,
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
    const area = spanAt(this.#areas, offset);
    return area !== null && offset + length <= area.end ? area : null;
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

function placesOf(area: MappedArea): Place[] {
  return windowSpans(area).map(({ start, end }) => ({ start, end, area, window: null }));
}
