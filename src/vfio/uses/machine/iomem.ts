/** What lies within what in the kernel's map of memory, `/proc/iomem`: by names, for the addresses are root's to see. */

import type { MachineRoots } from "../../sysfs/machine-roots.ts";
import { textOf } from "./reading.ts";

/** The names of what lies within the ranges of that name, at any depth. */
export function namesWithin({ proc }: MachineRoots, outer: string): string[] {
  const found: string[] = [];
  let depth: number | null = null;
  for (const line of textOf(proc, "iomem").split("\n")) {
    const [, indent = "", name = ""] = /^( *)[0-9a-f]+-[0-9a-f]+ : (.*)$/i.exec(line) ?? [];
    if (depth !== null && indent.length <= depth) depth = null;
    if (depth !== null) found.push(name);
    else if (name === outer) depth = indent.length;
  }
  return found;
}
