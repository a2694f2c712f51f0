import type { LaidArea } from "../memory/lay-region.ts";
import { MappedMemory } from "../memory/mapped-memory.ts";
import type { System } from "../system/system.ts";
import type { MappedRegion } from "./mapped-region.ts";

/** An area with the memory it is mapped to: bytes `offset` to `end` of the region. */
export interface MappedArea {
  readonly offset: number;
  readonly end: number;
  readonly memory: MappedMemory;
  readonly laid: LaidArea;
}

/** The mapped areas of one region, and which of them holds an access. */
export class MappedAreas {
  readonly #all: readonly MappedArea[];
  /** Where accesses look: all of them, or nothing while the mapping is switched off or closed. */
  #reachable: readonly MappedArea[];
  /** The area of the last access: register accesses come in runs. */
  #last: MappedArea | null = null;

  /** @param areas in the order of their offsets */
  constructor(region: MappedRegion, areas: readonly LaidArea[], system: System) {
    const target = `region ${region.name}`;
    this.#all = areas.map((laid) => {
      // A page is mapped whole; what lies behind the region's end is not the region's.
      const end = Math.min(laid.offset + laid.size, region.size);
      const memory = new MappedMemory(laid.address, end - laid.offset, target, system);
      return { offset: laid.offset, end, memory, laid };
    });
    this.#reachable = this.#all;
  }

  get enabled(): boolean {
    return this.#reachable.length > 0;
  }

  /** The area that an access just before this one was in, if it holds the whole range; never after `detach`. */
  recent(offset: number, length: number): MappedArea | null {
    const last = this.#last;
    return last !== null && offset >= last.offset && offset + length <= last.end ? last : null;
  }

  /** The area that holds the whole range, or null where there is none. */
  find(offset: number, length: number): MappedArea | null {
    let low = 0;
    let high = this.#reachable.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const area = this.#reachable[middle];
      if (area === undefined) return null;
      if (offset < area.offset) high = middle - 1;
      else if (offset >= area.end) low = middle + 1;
      else if (offset + length <= area.end) return (this.#last = area);
      else return null;
    }
    return null;
  }

  /** Switches memory off, all views detached, or on again. */
  setEnabled(enabled: boolean): void {
    if (!enabled) for (const { memory } of this.#all) memory.detachViews();
    this.#reachable = enabled ? this.#all : [];
    this.#last = null;
  }

  /** Ends all access. @returns the areas that something may still reach, by a view that was carried off. */
  detach(): LaidArea[] {
    this.#reachable = [];
    this.#last = null;
    return this.#all.filter(({ memory }) => !memory.detach()).map(({ laid }) => laid);
  }
}
