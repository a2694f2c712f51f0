/**
 * What callers give, checked where it enters: types are gone at run time, and a wrong value must be an ERR_ARGUMENT that
 * names it, not a TypeError from somewhere below.
 */

import { hugebarError, type HugebarError } from "./errors.ts";

const PAST_THE_LAST_ADDRESS = 2n ** 64n;

/** A value as messages show it, whatever it is. */
export function describeValue(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `0x${value.toString(16)}`;
  if (typeof value === "function") return "a function";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

/** Whole numbers from `least` to `most`. @throws ERR_ARGUMENT for anything else */
export function requireWhole(
  what: string,
  value: unknown,
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): asserts value is number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most) return;
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  throw unusable(what, value, `it must be a whole number ${range}`);
}

/** A whole unsigned number of `bits` bits. @throws ERR_ARGUMENT for anything else */
export function requireBits(what: string, value: unknown, bits: 64): asserts value is bigint {
  if (typeof value === "bigint" && value >= 0n && value < 2n ** BigInt(bits)) return;
  throw unusable(what, value, `it must be a bigint from 0 to 2^${bits} − 1`);
}

/** Addresses for `size` bytes below 2^64. @throws ERR_ARGUMENT for anything else */
export function requireIova(iova: unknown, size: number): asserts iova is bigint {
  requireBits("IOVA", iova, 64);
  if (iova + BigInt(size) <= PAST_THE_LAST_ADDRESS) return;
  throw unusable("IOVA", iova, `${size} bytes from there on run past 2^64`);
}

export function requireBoolean(what: string, value: unknown): asserts value is boolean {
  if (typeof value === "boolean") return;
  throw unusable(what, value, "it must be true or false");
}

export function requireFunction(what: string, value: unknown): void {
  if (typeof value === "function") return;
  throw unusable(what, value, "it must be a function");
}

/** Bytes to read into, or to write from. */
export function requireBytes(what: string, value: unknown): asserts value is Uint8Array {
  if (value instanceof Uint8Array) return;
  throw unusable(what, value, "it must be a Uint8Array");
}

/** An object whose properties are options. */
export function requireOptions(what: string, value: unknown): asserts value is object {
  if (typeof value === "object" && value !== null) return;
  throw unusable(`options ${what}`, value, "they must be an object");
}

/** One of a few words. */
export function requireWord<Word extends string>(
  what: string,
  value: unknown,
  words: readonly Word[],
): asserts value is Word {
  if (words.some((word) => word === value)) return;
  throw unusable(what, value, `it must be one of ${words.join(", ")}`);
}

export function unusable(what: string, value: unknown, problem: string): HugebarError {
  return hugebarError("ERR_ARGUMENT", { what: `${what} ${describeValue(value)}`, problem });
}
