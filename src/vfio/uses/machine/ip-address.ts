/** IP addresses as bytes. */

import { isIPv4, isIPv6 } from "node:net";

/** Four bytes or sixteen; an IPv4 address within IPv6 is four. Null for no address. */
export function ipBytes(text: string): Uint8Array | null {
  if (isIPv4(text)) return Uint8Array.from(text.split("."), Number);
  if (!isIPv6(text)) return null;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)?.[1];
  if (mapped !== undefined) return ipBytes(mapped);
  const [head = "", tail] = text.split("::");
  const words = (part: string): number[] =>
    part === "" ? [] : part.split(":").flatMap((word) => wordsOf(word));
  const [left, right] = [words(head), words(tail ?? "")];
  const all = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
  return Uint8Array.from(all.flatMap((word) => [word >> 8, word & 0xff]));
}

/** A word of an IPv6 address; its end may be written as an IPv4 address. */
function wordsOf(word: string): number[] {
  if (!word.includes(".")) return [Number.parseInt(word, 16)];
  const [a = 0, b = 0, c = 0, d = 0] = word.split(".").map(Number);
  return [(a << 8) | b, (c << 8) | d];
}

/** Whether the first `prefix` bits are the same; addresses of different kinds share none. */
export function inPrefix(address: Uint8Array, target: Uint8Array, prefix: number): boolean {
  if (address.length !== target.length) return false;
  for (let bit = 0; bit < prefix; bit += 1) {
    const mask = 0x80 >> (bit & 7);
    if (((address[bit >> 3] ?? 0) & mask) !== ((target[bit >> 3] ?? 0) & mask)) return false;
  }
  return true;
}
