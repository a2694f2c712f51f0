/** How many mappings a process has, live or recorded. */

import { join } from "node:path";
import { countLines, scanBuffer } from "./maps-scanner.ts";
import { isProcfs } from "./process.ts";
import { recordedMappings } from "./recorded.ts";

/** How many mappings the process has; null where that cannot be read. */
export function countMappings(proc: string, pid: number): number | null {
  const recorded = recordedMappings(proc, pid);
  // What a record keeps of maps is not all there was.
  if (recorded !== null || !isProcfs(proc)) return recorded;
  try {
    return countLines(join(proc, `${pid}/maps`), scanBuffer());
  } catch {
    return null;
  }
}
