/** Areas as people write them: `OFFSET:SIZE`. */

import { hugebarError } from "../errors.ts";
import type { Area } from "./areas.ts";
import { parseSize } from "./sizes.ts";

/**
 * Reads `OFFSET:SIZE`, each as `parseSize` does.
 *
 * @param what what it is for, as messages name it: `--area`
 * @throws ERR_ARGUMENT
 */
export function parseArea(what: string, text: string): Area {
  const [offset = "", size, ...more] = text.split(":");
  if (size === undefined || more.length > 0) {
    throw hugebarError("ERR_ARGUMENT", { what: `${what} ${text}`, problem: "give OFFSET:SIZE" });
  }
  return { offset: parseSize(offset, `the offset in ${what}`), size: parseSize(size, `the size in ${what}`) };
}

/** As `parseArea` reads it: `0x0:0x2f00f00000`. */
export function areaText({ offset, size }: Area): string {
  return `0x${offset.toString(16)}:0x${size.toString(16)}`;
}
