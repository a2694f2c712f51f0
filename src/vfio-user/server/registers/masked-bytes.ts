/** Registers as hardware keeps them: bytes, of which some bits can be written and some are cleared by a 1. */

export class MaskedBytes {
  readonly #initial: Uint8Array;
  readonly #bytes: Uint8Array;
  readonly #writable: Uint8Array;
  readonly #clearedByOne: Uint8Array;

  /** All zero and read-only at first. */
  constructor(size: number) {
    this.#initial = new Uint8Array(size);
    this.#bytes = new Uint8Array(size);
    this.#writable = new Uint8Array(size);
    this.#clearedByOne = new Uint8Array(size);
  }

  /** Defines a little-endian register of 1, 2 or 4 bytes: its value after reset, and the bits that can be written. */
  define(offset: number, width: 1 | 2 | 4, value: number, { writable = 0, clearedByOne = 0 } = {}): void {
    for (let at = 0; at < width; at += 1) {
      const shift = 8 * at;
      this.#initial[offset + at] = (value >>> shift) & 0xff;
      this.#writable[offset + at] = (writable >>> shift) & 0xff;
      this.#clearedByOne[offset + at] = (clearedByOne >>> shift) & 0xff;
    }
    this.#bytes.set(this.#initial.subarray(offset, offset + width), offset);
  }

  get size(): number {
    return this.#bytes.length;
  }

  /** A register's present value. */
  get(offset: number, width: 1 | 2 | 4): number {
    let value = 0;
    for (let at = width - 1; at >= 0; at -= 1) value = value * 0x100 + (this.#bytes[offset + at] ?? 0);
    return value;
  }

  read(offset: number, target: Uint8Array): void {
    target.set(this.#bytes.subarray(offset, offset + target.length));
  }

  write(offset: number, source: Uint8Array): void {
    for (const [at, written] of source.entries()) {
      const where = offset + at;
      const old = this.#bytes[where] ?? 0;
      const writable = this.#writable[where] ?? 0;
      const cleared = written & (this.#clearedByOne[where] ?? 0);
      this.#bytes[where] = ((old & ~writable) | (written & writable)) & ~cleared;
    }
  }

  /** What reset does: every register has its first value again. */
  reset(): void {
    this.#bytes.set(this.#initial);
  }
}
