/** The bytes of a disk that a test reads: every 32-bit word tells its place, so no block can be taken for another. */

export const DISK_SIZE = 8 * 2 ** 20;

/** What stands at `offset`, a multiple of 4. */
export function diskBytes(offset: number, length: number): Uint8Array {
  const words = new Uint32Array(length / 4);
  for (let index = 0; index < words.length; index += 1) {
    // An odd factor: no two words are the same.
    words[index] = Math.imul(offset / 4 + index + 1, 0x9e37_79b1);
  }
  return new Uint8Array(words.buffer);
}
