/** Inspecting a crowded machine, against the least that anyone who looks at all mappings must do: read them. */

import { comparePairs } from "../pairs.ts";
import type { Row } from "../row.ts";
import { builtTool, runs } from "../tool.ts";

const PROCESSES = 2000;
/** With what every program has, about a hundred for each process. */
const VMAS = 77;

export const inspectCrowd: Row = {
  name: "inspect",
  what: "`hugebar inspect`, 2,000 processes with 200,000 VMAs",
  against: "`cat /proc/[0-9]*/maps`",
  bar: { kind: "ratio", most: 1.5 },
  async measure(peers) {
    if ((await peers.start("processes", [PROCESSES, VMAS])) === null) return null;
    // A process that ends in between is a file that cat misses: no failure of what is measured.
    const cat = runs("sh", ["-c", "cat /proc/[0-9]*/maps >/dev/null 2>&1; true"]);
    return comparePairs(builtTool(["inspect"]), cat, { pairs: 11, count: 1 });
  },
};
