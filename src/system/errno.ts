/** Errnos in words: `no such file or directory (ENOENT)`. */

import { getSystemErrorMap } from "node:util";

/** @param code the errno's name; one that nobody knows stands for itself */
export function errnoInWords(code: string): string {
  const words = wordsFor(code);
  return words === null ? code : `${words} (${code})`;
}

/** The same with the name first, behind a verb: `the device answered EIO (i/o error)`. */
export function errnoWithWords(code: string): string {
  const words = wordsFor(code);
  return words === null ? code : `${code} (${words})`;
}

function wordsFor(code: string): string | null {
  for (const [name, words] of getSystemErrorMap().values()) {
    if (name === code) return words;
  }
  return null;
}

/** What an error of `node:fs` or of a system call says, without the path that the sentence around it names. */
export function failureInWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && typeof error.code === "string" ? errnoInWords(error.code) : error.message;
}

/** Whether the kernel refused for want of rights. */
export function isNotPermitted(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "EACCES" || error.code === "EPERM");
}
