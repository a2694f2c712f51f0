/** How many mappings a process has, live or recorded. */

import { join } from "node:path";
import { countLines, scanBuffer } from "./maps-scanner.ts";
import { isProcfs } from "./process.ts";
import { MIB } from "../../layout/sizes.ts";
import { readTextOrNull } from "./read-file.ts";
import { recordedMappings } from "./recorded.ts";
import { parseVma } from "./vma.ts";

/**
 * How many mappings the process has; null where that cannot be read.
 *
 * @param vmSizeBytes how many bytes they have together
 */
export function countMappings(proc: string, pid: number, vmSizeBytes: number): number | null {
  const recorded = recordedMappings(proc, pid);
  if (recorded !== null) return recorded;
  const path = join(proc, `${pid}/maps`);
  // What a record keeps of maps may not be all there was.
  if (!isProcfs(proc)) return countWhole(readTextOrNull(path, LARGEST_RECORD) ?? "", vmSizeBytes);
  try {
    return countLines(path, scanBuffer());
  } catch {
    return null;
  }
}

const LARGEST_RECORD = 16 * MIB;

/** Null where the mappings of a recorded maps come to another size than the process had. */
function countWhole(maps: string, vmSizeBytes: number): number | null {
  const vmas = maps.split("\n").flatMap((line) => parseVma(line) ?? []);
  // The kernel's own page, which is nobody's.
  const own = vmas.filter(({ path }) => path !== "[vsyscall]");
  const bytes = own.reduce((sum, { size }) => sum + size, 0);
  return bytes === vmSizeBytes ? own.length : null;
}
