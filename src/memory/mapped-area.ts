import type { System } from "../system/system.ts";
import { ForeignMemory } from "./foreign-memory.ts";
import type { LaidArea } from "./lay-region.ts";
import type { Span } from "./window.ts";

/** One area of a mapped region, as far as the region reaches, and the buffers that were made over it. */
export class MappedArea implements Span {
  /** In the region. */
  readonly start: number;
  readonly end: number;
  readonly laid: LaidArea;
  readonly #system: System;
  /** Never given out. Made by the first access: V8 answers a large buffer with a garbage collection, some milliseconds. */
  #buffer: ArrayBuffer | null = null;
  /** Made by the first view. */
  #foreign: ForeignMemory | null = null;
  /** Harmless memory lies in its place. */
  #covered = false;

  /** @param regionSize a page is mapped whole, and what lies behind the region's end is not the region's */
  constructor(laid: LaidArea, regionSize: number, system: System) {
    this.start = laid.offset;
    this.end = Math.min(laid.offset + laid.size, regionSize);
    this.laid = laid;
    this.#system = system;
  }

  /** For accesses from here alone; empty after `shut`. */
  get buffer(): ArrayBuffer {
    this.#buffer ??= this.#system.view(this.laid.address, this.end - this.start);
    return this.#buffer;
  }

  bytes(offset: number, length: number): Uint8Array {
    return new Uint8Array(this.buffer, offset - this.start, length);
  }

  /** A buffer to give out. */
  view(offset: number, length: number): ArrayBuffer {
    this.#foreign ??= new ForeignMemory(this.laid.address, this.laid.size, this.#system);
    return this.#foreign.view(offset - this.start, length);
  }

  /** Puts harmless memory in its place, where a view may still reach it. @returns whether it does no harm now */
  cover(): boolean {
    if (this.#foreign?.inUse !== true || this.#covered) return true;
    this.#covered = this.#foreign.cover();
    return this.#covered;
  }

  /** @param lay maps the area again in its place; what it throws leaves it covered */
  uncover(lay: (area: LaidArea) => void): void {
    if (!this.#covered) return;
    lay(this.laid);
    this.#covered = false;
  }

  /** No access from here is under way any more, one whose value is just being coerced neither: its array is empty then. */
  shut(): void {
    if (this.#buffer !== null) this.#system.detach(this.#buffer);
    this.#buffer = null;
  }

  /** @returns true where no view can still reach it, and the caller is to unmap it; otherwise it unmaps itself in time */
  retire(): boolean {
    return this.#foreign === null || this.#foreign.retire();
  }
}
