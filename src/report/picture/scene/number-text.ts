/**
 * Lists of whole numbers as text for a page: base-64 digits that stand in JSON as they are, small numbers in one of them. What
 * repeats is written once, with how often. It also runs in the browser.
 */

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/** The values of digits by their character codes; −1 for what is none. */
const VALUES = Int8Array.from({ length: 128 }, (_, code) => DIGITS.indexOf(String.fromCharCode(code)));
/** A digit has five bits of a number, and whether another one follows. */
const BASE = 32;

/** @param n 0 to 2^53 − 1 */
function numberText(n: number): string {
  let text = "";
  let left = n;
  for (; left >= BASE; left = Math.floor(left / BASE)) text += DIGITS[(left % BASE) + BASE] ?? "";
  return text + (DIGITS[left] ?? "");
}

/** The longest block that is looked for: a pattern of so many numbers that repeats. */
const LONGEST = 64;

/** @param numbers each from 0 to 2^53 − 1 */
export function encodeNumbers(numbers: readonly number[]): string {
  const text: string[] = [];
  // Blocks, each with its length and how often it stands there; what does not repeat gathers in blocks of its own.
  let single: number[] = [];
  const write = (block: readonly number[], times: number): void => {
    text.push(numberText(block.length), numberText(times), block.map(numberText).join(""));
  };
  const writeSingle = (): void => {
    if (single.length > 0) write(single, 1);
    single = [];
  };
  for (let at = 0; at < numbers.length;) {
    const { length, times } = runAt(numbers, at);
    if (times === 1) {
      single.push(numbers[at] ?? 0);
      at += 1;
      continue;
    }
    writeSingle();
    write(numbers.slice(at, at + length), times);
    at += length * times;
  }
  writeSingle();
  return text.join("");
}

/** The block at a place that covers most by repeating; of one that does not, `times` is 1. */
function runAt(numbers: readonly number[], at: number): { length: number; times: number } {
  let best = { length: 1, times: 1 };
  for (let length = 1; length <= LONGEST; length += 1) {
    const end = repeatsTo(numbers, at, length);
    const times = Math.floor((end - at) / length);
    // Less than this is not worth the two numbers that say so.
    const isLonger = times * length > best.times * best.length;
    if (times > 1 && times * length >= length + 4 && isLonger) best = { length, times };
  }
  return best;
}

/** How far, from `at` on, every number is the one `length` places before it. */
function repeatsTo(numbers: readonly number[], at: number, length: number): number {
  let end = at + length;
  while (end < numbers.length && numbers[end] === numbers[end - length]) end += 1;
  return Math.min(end, numbers.length);
}

/** @throws RangeError for what `encodeNumbers` did not write */
export function decodeNumbers(text: string): number[] {
  const numbers: number[] = [];
  let at = 0;
  const next = (): number => {
    let n = 0;
    for (let unit = 1; ; unit *= BASE) {
      const value = VALUES[text.charCodeAt(at)] ?? -1;
      if (value < 0) throw new RangeError(`no number at ${at}`);
      at += 1;
      n += (value % BASE) * unit;
      if (value < BASE) return n;
    }
  };
  while (at < text.length) {
    const [length, times] = [next(), next()];
    for (let index = 0; index < length; index += 1) numbers.push(next());
    for (let copied = length * (times - 1); copied > 0; copied -= 1) {
      numbers.push(numbers[numbers.length - length] ?? 0);
    }
  }
  return numbers;
}
