import { requireBits, requireBytes, requireWhole, unusable } from "../../arguments.ts";
import type { RegionMemory } from "../../memory/region-memory.ts";

const MOST_U64 = 2n ** 64n - 1n;

/** Reads and writes of a mapped region, at each width and in bulk. */
export abstract class RegionAccess {
  readonly #memory: RegionMemory;

  /** @internal */
  constructor(memory: RegionMemory) {
    this.#memory = memory;
  }

  read8(offset: number): number {
    return this.#memory.read8(offset);
  }

  read16(offset: number): number {
    return this.#memory.read16(offset);
  }

  read32(offset: number): number {
    return this.#memory.read32(offset);
  }

  read64(offset: number): bigint {
    return this.#memory.read64(offset);
  }

  /** Writes the low 8 bits of `value`. */
  write8(offset: number, value: number): void {
    if (typeof value !== "number") throw unusable("value", value, "it must be a number");
    this.#memory.write8(offset, value);
  }

  write16(offset: number, value: number): void {
    if (typeof value !== "number") throw unusable("value", value, "it must be a number");
    this.#memory.write16(offset, value);
  }

  write32(offset: number, value: number): void {
    if (typeof value !== "number") throw unusable("value", value, "it must be a number");
    this.#memory.write32(offset, value);
  }

  /** @param value 0 to 2^64 − 1. @throws ERR_ARGUMENT for another */
  write64(offset: number, value: bigint): void {
    if (typeof value !== "bigint" || value < 0n || value > MOST_U64) requireBits("value", value, 64);
    this.#memory.write64(offset, value);
  }

  /**
   * A register of 64 bits in two halves, the low one first: for devices that take no wider access. What changes in between
   * is torn.
   */
  readLoHi64(offset: number): bigint {
    requireWhole("offset", offset, 0);
    const low = BigInt(this.read32(offset));
    return low | (BigInt(this.read32(offset + 4)) << 32n);
  }

  /** The same, written; as most devices want it, which act on the high half. @param value 0 to 2^64 − 1 */
  writeLoHi64(offset: number, value: bigint): void {
    requireBits("value", value, 64);
    requireWhole("offset", offset, 0);
    this.write32(offset, Number(value & 0xffff_ffffn));
    this.write32(offset + 4, Number(value >> 32n));
  }

  /** The same, the high half first: for devices that act on the low half. @param value 0 to 2^64 − 1 */
  writeHiLo64(offset: number, value: bigint): void {
    requireBits("value", value, 64);
    requireWhole("offset", offset, 0);
    this.write32(offset + 4, Number(value >> 32n));
    this.write32(offset, Number(value & 0xffff_ffffn));
  }

  /**
   * Copies `target.length` bytes from `offset` into `target`. For memory: a register may not be read twice or in part.
   * On arm64, whose device memory takes aligned accesses only, it is copied in aligned pieces of 8 bytes, and of 1.
   */
  copyOut(offset: number, target: Uint8Array): void {
    requireBytes("bytes to copy into", target);
    this.#memory.copyOut(offset, target);
  }

  /** Copies `source` to `offset`, as `copyOut` does. */
  copyIn(offset: number, source: Uint8Array): void {
    requireBytes("bytes to copy", source);
    this.#memory.copyIn(offset, source);
  }
}
