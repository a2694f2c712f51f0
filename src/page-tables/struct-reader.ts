/** Reads members of the kernel's structures: one read for all that are wanted of one structure. */

import type { Kcore } from "./kcore.ts";
import type { BitField } from "./struct-layout.ts";

/** The bytes of one structure, as they were at one time. */
export class StructBytes {
  readonly #bytes: Buffer;
  /** Where in the structure the bytes begin. */
  readonly #from: number;

  constructor(bytes: Buffer, from: number) {
    this.#bytes = bytes;
    this.#from = from;
  }

  u64(offset: number): bigint {
    return this.#bytes.readBigUInt64LE(offset - this.#from);
  }

  u32(offset: number): number {
    return this.#bytes.readUInt32LE(offset - this.#from);
  }

  i32(offset: number): number {
    return this.#bytes.readInt32LE(offset - this.#from);
  }

  i16(offset: number): number {
    return this.#bytes.readInt16LE(offset - this.#from);
  }

  i8(offset: number): number {
    return this.#bytes.readInt8(offset - this.#from);
  }

  bits({ word, shift, mask }: BitField): number {
    return (this.u32(word) >>> shift) & mask;
  }
}

/**
 * Reads the part of a structure that holds all of these members, each taken for eight bytes.
 *
 * @throws TablesChanged where nothing is at that address
 */
export function readStruct(kcore: Kcore, address: bigint, offsets: readonly number[]): StructBytes {
  const from = Math.min(...offsets);
  const bytes = Buffer.alloc(Math.max(...offsets) + 8 - from);
  kcore.readVirtual(address + BigInt(from), bytes);
  return new StructBytes(bytes, from);
}
