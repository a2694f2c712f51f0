/** Inspecting a crowded machine, against the least that anyone who looks at all mappings must do: read them. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspectMachine } from "../../src/inspect/inspect.ts";
import { comparePairs, timed } from "../pairs.ts";
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

/** The same crowd in files, as `hugebar record` would save it: no kernel has to write the text while it is read. */
export const inspectTree: Row = {
  name: "inspect-tree",
  what: "`inspectMachine()`, a tree of files of as many",
  against: "`cat proc/[0-9]*/maps`",
  bar: { kind: "ratio", most: 1.5 },
  async measure() {
    const folder = mkdtempSync(join(tmpdir(), "hugebar-bench-"));
    try {
      const roots = { proc: join(folder, "proc"), sys: join(folder, "sys") };
      for (let pid = 1; pid <= PROCESSES; pid += 1) writeMaps(join(roots.proc, `${pid}`));
      const inspect = timed((count) => {
        for (let time = 0; time < count; time += 1) inspectMachine(roots);
      });
      const cat = runs("sh", ["-c", `cat ${roots.proc}/[0-9]*/maps >/dev/null`]);
      return await comparePairs(inspect, cat, { pairs: 41, count: 1 });
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

function writeMaps(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const line = (vma: number) =>
    `7f12${vma.toString(16).padStart(5, "0")}000-7f12${(vma + 1).toString(16).padStart(5, "0")}000 r--p 00000000 fe:01 1311                       /usr/lib/x86_64-linux-gnu/libc.so.6\n`;
  writeFileSync(join(folder, "maps"), Array.from({ length: 100 }, (_, vma) => line(vma)).join(""));
}
