/** Reads the values that options take: sizes, indices, and what is made of them with colons. */

import { readFileSync } from "node:fs";
import { hugebarError } from "../errors.ts";
import { parseArea } from "../layout/area-text.ts";
import type { Area } from "../layout/areas.ts";
import { parseSize } from "../layout/sizes.ts";
import { failureInWords, isNotPermitted } from "../system/errno.ts";

/**
 * Reads a file of areas: a line `OFFSET:SIZE` for each; empty lines and what follows a `#` are left out.
 *
 * @param path `-` for standard input
 * @throws ERR_ARGUMENT naming the line, ERR_PERMISSION, ERR_SYSTEM
 */
export function readAreas(path: string): Area[] {
  const name = path === "-" ? "standard input" : path;
  return textOf(path, name)
    .split("\n")
    .flatMap((line, index) => {
      const text = line.replace(/#.*/, "").trim();
      return text === "" ? [] : [parseArea(`line ${index + 1} of ${name}`, text)];
    });
}

function textOf(path: string, name: string): string {
  try {
    return readFileSync(path === "-" ? process.stdin.fd : path, "utf8");
  } catch (error) {
    const details = { action: `read ${name}`, problem: failureInWords(error) };
    throw hugebarError(isNotPermitted(error) ? "ERR_PERMISSION" : "ERR_SYSTEM", details, error);
  }
}

/** Reads `INDEX:SIZE`, the value of `option`. */
export function parseRegion(option: string, text: string): { index: number; size: number } {
  const [index = "", size = ""] = partsOf(option, text, "INDEX:SIZE");
  return { index: parseIndex(option, index), size: parseSize(size, `the size in ${option}`) };
}

/** Reads `INDEX:OFFSET:SIZE`, the value of `option`. */
export function parseRegionArea(option: string, text: string): { index: number; area: Area } {
  const [index = "", offset = "", size = ""] = partsOf(option, text, "INDEX:OFFSET:SIZE");
  return { index: parseIndex(option, index), area: parseArea(option, `${offset}:${size}`) };
}

/** Reads the index of a region: a whole number. */
export function parseIndex(option: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw hugebarError("ERR_ARGUMENT", {
    what: `the region's index "${text}" in ${option}`,
    problem: "give a whole number",
  });
}

/** Reads the numbers of processes; one given twice is one. */
export function parsePids(texts: readonly string[]): number[] {
  const pids = texts.map((text) => {
    if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
    throw hugebarError("ERR_ARGUMENT", {
      what: `process ${JSON.stringify(text)}`,
      problem: "give its number",
    });
  });
  return [...new Set(pids)];
}

/** Reads a number of seconds, the value of `option`: more than 0, at most some four months. */
export function parseSeconds(option: string, text: string): number {
  const seconds = Number(text);
  if (/^\d{1,7}(?:\.\d+)?$/.test(text) && seconds > 0) return seconds;
  throw hugebarError("ERR_ARGUMENT", {
    what: `${option} ${text}`,
    problem: "give a number of seconds above 0",
  });
}

function partsOf(option: string, text: string, form: string): string[] {
  const parts = text.split(":");
  if (parts.length === form.split(":").length) return parts;
  throw hugebarError("ERR_ARGUMENT", { what: `${option} ${text}`, problem: `give ${form}` });
}
