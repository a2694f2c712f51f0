/** Sizes in bytes: units, powers of two, rounding, and their text. */

import { hugebarError } from "../errors.ts";

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

const TWO_TO_THE_32 = 2 ** 32;

/**
 * The smallest power of two that is at least `n`, for whole `n` from 0 to 2^53; 1 for 0, as QEMU's `pow2ceil`.
 *
 * @example
 * nextPowerOfTwo(0x2f00f00000); // 0x4000000000
 */
export function nextPowerOfTwo(n: number): number {
  if (n <= 1) return 1;
  // By counting bits: Math.log2 takes 2^52 + 1 for 2^52.
  const high = Math.floor((n - 1) / TWO_TO_THE_32);
  return high === 0 ? 2 ** (32 - Math.clz32(n - 1)) : 2 ** (64 - Math.clz32(high));
}

/**
 * The largest power of two that divides `n`, for whole `n` from 1 to 2^53.
 *
 * @example
 * largestPowerOfTwoIn(0x2f00f00000); // 0x100000
 */
export function largestPowerOfTwoIn(n: number): number {
  const low = n % TWO_TO_THE_32;
  return low === 0 ? TWO_TO_THE_32 * lowestBit(n / TWO_TO_THE_32) : lowestBit(low);
}

/** For whole `n` from 1 to 2^32 − 1: bitwise operators see the same 32 bits, signed. */
function lowestBit(n: number): number {
  return (n & -n) >>> 0;
}

/** Whether `n` is a multiple of `unit`. */
export function isAligned(n: number, unit: number): boolean;
export function isAligned(n: bigint, unit: bigint): boolean;
export function isAligned(n: number | bigint, unit: number | bigint): boolean {
  return typeof n === "bigint" ? n % BigInt(unit) === 0n : n % Number(unit) === 0;
}

/** The largest multiple of `unit` up to `n`, for `n` of 0 and more. */
export function roundDown(n: number, unit: number): number;
export function roundDown(n: bigint, unit: bigint): bigint;
export function roundDown(n: number | bigint, unit: number | bigint): number | bigint {
  return typeof n === "bigint" ? n - (n % BigInt(unit)) : n - (n % Number(unit));
}

/**
 * The smallest multiple of `unit` from `n` up, for `n` of 0 and more. It may pass 2^53; a multiple of a page size is
 * exact up to 2^65, since all its low bits are 0.
 */
export function roundUp(n: number, unit: number): number;
export function roundUp(n: bigint, unit: bigint): bigint;
export function roundUp(n: number | bigint, unit: number | bigint): number | bigint {
  if (typeof n === "bigint") return roundDown(n + BigInt(unit) - 1n, BigInt(unit));
  const past = n % Number(unit);
  return past === 0 ? n : n - past + Number(unit);
}

/** How far `n`, which may be less than 0, lies past a multiple of `unit`: from 0 up to `unit`. */
export function pastMultiple(n: number, unit: number): number;
export function pastMultiple(n: bigint, unit: bigint): bigint;
export function pastMultiple(n: number | bigint, unit: number | bigint): number | bigint {
  if (typeof n === "bigint") return ((n % BigInt(unit)) + BigInt(unit)) % BigInt(unit);
  return ((n % Number(unit)) + Number(unit)) % Number(unit);
}

const SUFFIXES = ["", "K", "M", "G", "T", "P"];
const SIZE_TEXT = /^(?:(0x[0-9a-f]+)|([0-9]+)(?: ?(?:([KMGTP])(?:iB)?|B))?)$/i;

/**
 * Reads a size: bytes (`4096`), hexadecimal bytes (`0x1000`) or a whole number with a binary suffix (`64G`, `2M`, in
 * either case; also as `formatSize` writes it, `64 GiB`). `64GB` is refused, since it could mean 10^9.
 *
 * @param what what the size is for, as messages name it: `--size`
 * @returns bytes, 0 to 2^53 − 1
 * @throws ERR_ARGUMENT when the text is none of these, or the size is larger
 */
export function parseSize(text: string, what = "size"): number {
  const found = SIZE_TEXT.exec(text.trim());
  if (found === null) {
    throw hugebarError("ERR_ARGUMENT", {
      what: `${what} "${text}"`,
      problem: "give bytes (4096, 0x1000) or a whole number with a binary suffix (64K, 2M, 1G)",
    });
  }
  const [, hexadecimal, decimal, suffix = ""] = found;
  // What is no safe integer is not rounded to one.
  const bytes = Number(hexadecimal ?? decimal) * 1024 ** SUFFIXES.indexOf(suffix.toUpperCase());
  if (!Number.isSafeInteger(bytes)) {
    throw hugebarError("ERR_ARGUMENT", {
      what: `${what} "${text}"`,
      problem: "it is larger than 2^53 − 1 bytes",
    });
  }
  return bytes;
}

/**
 * A size as people read it and without loss: `64 GiB`, `1536 KiB`, `100 B`; hexadecimal where that would take more than
 * four digits: `0x2f00f00000`. `parseSize` reads it back.
 *
 * @param bytes whole bytes, 0 to 2^53 − 1
 */
export function formatSize(bytes: number): string {
  let count = bytes;
  let unit = 0;
  while (count !== 0 && count % 1024 === 0 && unit < SUFFIXES.length - 1) {
    count /= 1024;
    unit += 1;
  }
  if (count > 9999) return `0x${bytes.toString(16)}`;
  return unit === 0 ? `${count} B` : `${count} ${SUFFIXES[unit]}iB`;
}

/**
 * Lets through a size or an offset: a whole number of bytes from 0 to 2^53 − 1, where every number is exact.
 *
 * @param what what it is, as the message names it: `the offset`
 * @throws ERR_ARGUMENT for anything else
 */
export function checkSize(n: number, what: string): number {
  if (isSize(n)) return n;
  throw hugebarError("ERR_ARGUMENT", { what: `${what} ${n}`, problem: `it ${NOT_A_SIZE}` });
}

/** Whether `n` is a whole number from 0 to 2^53 − 1. */
export function isSize(n: number): boolean {
  return Number.isSafeInteger(n) && n >= 0;
}

export const NOT_A_SIZE = "is not a whole number of bytes from 0 to 2^53 − 1";
