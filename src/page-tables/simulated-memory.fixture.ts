/** Physical memory with page tables in it, as a kernel would lay them: for tests. */

import { TablesChanged } from "./changed.ts";
import type { PhysicalMemory } from "./kcore.ts";
import { shiftAt, type TableFormat } from "./table-format.ts";

/** Where the simulated memory lies; what is below is devices. */
export const MEMORY_START = 2 ** 40;

export class SimulatedMemory implements PhysicalMemory {
  readonly bytes: Buffer;
  reads = 0;
  /** Called before each read, by its number: what a kernel does meanwhile. */
  meanwhile: (read: number) => void = () => undefined;
  #next: number;

  constructor(size: number, reserved = 0) {
    this.bytes = Buffer.alloc(size);
    this.#next = MEMORY_START + reserved;
  }

  readPhysical(physical: number, target: Uint8Array): void {
    this.meanwhile(this.reads);
    this.reads += 1;
    const at = physical - MEMORY_START;
    if (at < 0 || at + target.length > this.bytes.length) throw new TablesChanged("no memory");
    target.set(this.bytes.subarray(at, at + target.length));
  }

  allocate(size: number, alignment = size): number {
    const at = Math.ceil(this.#next / alignment) * alignment;
    this.#next = at + size;
    if (this.#next > MEMORY_START + this.bytes.length) throw new Error("the simulated memory is too small");
    return at;
  }

  readEntry(physical: number): bigint {
    return this.bytes.readBigUInt64LE(physical - MEMORY_START);
  }

  writeEntry(physical: number, entry: bigint): void {
    this.bytes.writeBigUInt64LE(entry, physical - MEMORY_START);
  }
}

/** How a format writes its entries. */
export interface EntryWriter {
  readonly table: (physical: number) => bigint;
  readonly leaf: (physical: number, level: number) => bigint;
}

export const x86Entries: EntryWriter = {
  table: (physical) => BigInt(physical) | 0x67n,
  // Present, writable, accessed, dirty, no-execute; large leaves with PSE and, in bit 12, their PAT bit.
  leaf: (physical, level) => BigInt(physical) | (1n << 63n) | (level === 1 ? 0x67n : 0x10e7n),
};

export const x86SecondStageEntries: EntryWriter = {
  table: (physical) => BigInt(physical) | 0x807n,
  leaf: (physical, level) => BigInt(physical) | (level === 1 ? 0x877n : 0x8f7n),
};

export function arm64Entries(pageShift: number): EntryWriter {
  const address = (physical: number): bigint => {
    const high = BigInt(physical) >> 48n;
    return (BigInt(physical) & 0xffff_ffff_ffffn) | (pageShift === 16 ? high << 12n : 0n);
  };
  return {
    table: (physical) => address(physical) | 3n,
    leaf: (physical, level) => address(physical) | 0x60_0000_0000_0400n | (level === 1 ? 3n : 1n),
  };
}

/** Page tables in a simulated memory. */
export class SimulatedTables {
  readonly root: number;
  readonly #memory: SimulatedMemory;
  readonly #format: TableFormat;
  readonly #entries: EntryWriter;

  constructor(memory: SimulatedMemory, format: TableFormat, entries: EntryWriter) {
    this.#memory = memory;
    this.#format = format;
    this.#entries = entries;
    const rootEntries = 2 ** (format.addressBits - shiftAt(format, format.levels));
    this.root = memory.allocate(rootEntries * 8, Math.max(64, rootEntries * 8));
  }

  /** Maps one leaf. */
  map(address: bigint, level: number, physical: number): void {
    this.#memory.writeEntry(this.#entryAt(address, level), this.#entries.leaf(physical, level));
  }

  /** Where the entry for an address stands at a level; tables on the way are made. */
  #entryAt(address: bigint, level: number): number {
    const { levels, pageShift } = this.#format;
    let table = this.root;
    for (let at = levels; ; at -= 1) {
      const shift = BigInt(shiftAt(this.#format, at));
      const index = address >> shift;
      const entry = table + 8 * Number(at === levels ? index : index % BigInt(2 ** (pageShift - 3)));
      if (at === level) return entry;
      const there = this.#memory.readEntry(entry);
      if (there === 0n) {
        table = this.#memory.allocate(2 ** pageShift);
        this.#memory.writeEntry(entry, this.#entries.table(table));
      } else {
        table = this.#format.physicalOf(Number(there & 0xffff_ffffn), Number(there >> 32n), 1);
      }
    }
  }
}
