/**
 * Copies to and from a device's memory. x86-64 copies anyhow; on arm64 a BAR is mapped as Device memory, where an access
 * that is not aligned to its width ends the process (SIGBUS, alignment fault), and `memcpy`, which `TypedArray.set` is,
 * makes such accesses at the edges of what it copies. There every access is one of an aligned element.
 */

/** Copies all of `source` to the start of `target`, which is as long. */
export type Copy = (target: Uint8Array, source: Uint8Array) => void;

/** Which copy this machine's device memory takes. */
export function copyFor(arch: string): { readonly out: Copy; readonly in: Copy } {
  return arch === "x64" || arch === "ia32"
    ? { out: copyAnyhow, in: copyAnyhow }
    : { out: copyOutAligned, in: copyInAligned };
}

function copyAnyhow(target: Uint8Array, source: Uint8Array): void {
  target.set(source);
}

/** `source` is the device's: bytes up to a multiple of 8, then words of 8 bytes, then the bytes that are left. */
export function copyOutAligned(target: Uint8Array, source: Uint8Array): void {
  const { head, words, tail } = wordsOf(source);
  const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
  for (let at = 0; at < head; at += 1) target[at] = Atomics.load(source, at);
  for (let index = 0; index < words.length; index += 1) {
    view.setBigUint64(head + 8 * index, Atomics.load(words, index), true);
  }
  for (let at = tail; at < source.length; at += 1) target[at] = Atomics.load(source, at);
}

/** `target` is the device's. */
export function copyInAligned(target: Uint8Array, source: Uint8Array): void {
  const { head, words, tail } = wordsOf(target);
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength);
  for (let at = 0; at < head; at += 1) Atomics.store(target, at, source[at] ?? 0);
  for (let index = 0; index < words.length; index += 1) {
    Atomics.store(words, index, view.getBigUint64(head + 8 * index, true));
  }
  for (let at = tail; at < source.length; at += 1) Atomics.store(target, at, source[at] ?? 0);
}

/** The whole aligned words of some bytes, and where the bytes before and behind them end and start. */
function wordsOf(bytes: Uint8Array): { head: number; words: BigUint64Array; tail: number } {
  const head = Math.min(bytes.length, -bytes.byteOffset & 7);
  const count = Math.floor((bytes.length - head) / 8);
  // What is too short for a word may not reach the place where one could begin.
  const words =
    count === 0 ? new BigUint64Array(0) : new BigUint64Array(bytes.buffer, bytes.byteOffset + head, count);
  return { head, words, tail: head + 8 * count };
}
