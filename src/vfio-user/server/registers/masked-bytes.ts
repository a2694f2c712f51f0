/** Registers as hardware keeps them: bytes, of which some bits can be written and some are cleared by a 1, or by a read. */

export interface BitMasks<Value> {
  readonly writable?: Value;
  readonly clearedByOne?: Value;
  readonly clearedByRead?: Value;
}

export type Width = 1 | 2 | 4 | 8;

export class MaskedBytes {
  readonly #initial: Uint8Array;
  readonly #bytes: Uint8Array;
  readonly #writable: Uint8Array;
  readonly #clearedByOne: Uint8Array;
  readonly #clearedByRead: Uint8Array;

  /** All zero and read-only at first. */
  constructor(size: number) {
    this.#initial = new Uint8Array(size);
    this.#bytes = new Uint8Array(size);
    this.#writable = new Uint8Array(size);
    this.#clearedByOne = new Uint8Array(size);
    this.#clearedByRead = new Uint8Array(size);
  }

  /** Defines a little-endian register: its value after reset, and what writes and reads do to its bits. */
  define(
    offset: number,
    width: Width,
    value: number | bigint,
    { writable = 0, clearedByOne = 0, clearedByRead = 0 }: BitMasks<number | bigint> = {},
  ): void {
    putLittleEndian(this.#initial, offset, width, value);
    putLittleEndian(this.#writable, offset, width, writable);
    putLittleEndian(this.#clearedByOne, offset, width, clearedByOne);
    putLittleEndian(this.#clearedByRead, offset, width, clearedByRead);
    // A 0 leaves what a 1 clears.
    for (let at = offset; at < offset + width; at += 1)
      this.#writable[at] = (this.#writable[at] ?? 0) & ~(this.#clearedByOne[at] ?? 0);
    this.#bytes.set(this.#initial.subarray(offset, offset + width), offset);
  }

  get size(): number {
    return this.#bytes.length;
  }

  /** A register's present value. */
  get(offset: number, width: 1 | 2 | 4): number {
    return littleEndian(this.#bytes, offset, width);
  }

  /** As `get`, of a register of 8 bytes. */
  get64(offset: number): bigint {
    return littleEndian64(this.#bytes, offset);
  }

  /** Puts bytes there, whatever a client could write. */
  put(offset: number, source: Uint8Array): void {
    this.#bytes.set(source, offset);
  }

  /** Fills `target` and changes nothing. */
  read(offset: number, target: Uint8Array): void {
    for (let at = 0; at < target.length; at += 1) target[at] = this.#bytes[offset + at] ?? 0;
  }

  /** What a client's read does to those bytes. */
  wasRead(offset: number, length: number): void {
    for (let at = offset; at < offset + length; at += 1)
      this.#bytes[at] = (this.#bytes[at] ?? 0) & ~(this.#clearedByRead[at] ?? 0);
  }

  /** A client's write. */
  write(offset: number, source: Uint8Array): void {
    for (let at = 0; at < source.length; at += 1) {
      const where = offset + at;
      const written = source[at] ?? 0;
      const old = this.#bytes[where] ?? 0;
      const writable = this.#writable[where] ?? 0;
      const cleared = written & (this.#clearedByOne[where] ?? 0);
      this.#bytes[where] = ((old & ~writable) | (written & writable)) & ~cleared;
    }
  }

  /** Fills `target` with bytes whose writing changes nothing: as they are, and 0 where a 1 would clear. */
  neutral(offset: number, target: Uint8Array): void {
    for (let at = 0; at < target.length; at += 1)
      target[at] = (this.#bytes[offset + at] ?? 0) & ~(this.#clearedByOne[offset + at] ?? 0);
  }

  /** What reset does: every register has its first value again. */
  reset(): void {
    this.#bytes.set(this.#initial);
  }
}

/** Writes a whole number of `width` bytes. */
export function putLittleEndian(
  bytes: Uint8Array,
  offset: number,
  width: Width,
  value: number | bigint,
): void {
  if (typeof value === "bigint") {
    for (let at = 0; at < width; at += 1) bytes[offset + at] = Number((value >> BigInt(8 * at)) & 0xffn);
  } else {
    for (let at = 0; at < width; at += 1) bytes[offset + at] = value / 2 ** (8 * at);
  }
}

export function littleEndian(bytes: Uint8Array, offset: number, width: 1 | 2 | 4): number {
  let value = 0;
  for (let at = width - 1; at >= 0; at -= 1) value = value * 0x100 + (bytes[offset + at] ?? 0);
  return value;
}

export function littleEndian64(bytes: Uint8Array, offset: number): bigint {
  const [low, high] = [littleEndian(bytes, offset, 4), littleEndian(bytes, offset + 4, 4)];
  return (BigInt(high) << 32n) | BigInt(low);
}
