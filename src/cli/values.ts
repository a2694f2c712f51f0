/** Reads the values that options take: sizes, indices, and what is made of them with colons. */

import { hugebarError } from "../errors.ts";
import type { Area } from "../layout/areas.ts";
import { parseSize } from "../layout/sizes.ts";

/** Reads `OFFSET:SIZE`, the value of `option`. */
export function parseArea(option: string, text: string): Area {
  const [offset = "", size = ""] = partsOf(option, text, "OFFSET:SIZE");
  return {
    offset: parseSize(offset, `the offset in ${option}`),
    size: parseSize(size, `the size in ${option}`),
  };
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

/** Reads the numbers of processes. */
export function parsePids(texts: readonly string[]): number[] {
  return texts.map((text) => {
    if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
    throw hugebarError("ERR_ARGUMENT", {
      what: `process ${JSON.stringify(text)}`,
      problem: "give its number",
    });
  });
}

function partsOf(option: string, text: string, form: string): string[] {
  const parts = text.split(":");
  if (parts.length === form.split(":").length) return parts;
  throw hugebarError("ERR_ARGUMENT", { what: `${option} ${text}`, problem: `give ${form}` });
}
