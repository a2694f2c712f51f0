/** Making a folder with those above it. */

import { existsSync, mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * As `mkdirSync` with `recursive`, which goes round for ever (Node 26.10) where the kernel says ENOENT of a folder that cannot
 * be made although the one above it is there, as in /proc.
 *
 * @throws what `mkdirSync` throws
 */
export function makeFolders(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EEXIST" && statSync(path).isDirectory()) return;
    const above = dirname(path);
    if (code !== "ENOENT" || above === path || existsSync(above)) throw error;
    makeFolders(above);
    mkdirSync(path);
  }
}
