/** Errors about the command line: what is wrong, and what was probably meant. */

import { hugebarError, type HugebarError } from "../errors.ts";
import { closest } from "./closest.ts";

export function usageError(problem: string): HugebarError {
  return hugebarError("ERR_USAGE", { problem });
}

/** @param hint the command whose help tells more */
export function unknownWord(
  what: "verb" | "option",
  word: string,
  known: readonly string[],
  hint: string,
): HugebarError {
  const meant = closest(word, known);
  return usageError(`Unknown ${what} ${word}: ${meant === null ? `see ${hint}` : `did you mean ${meant}?`}`);
}
