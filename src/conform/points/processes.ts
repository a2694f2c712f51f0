/** Two processes that map the same memory: each has leaves of its own. */

import { spawnSync } from "node:child_process";
import { formatSize } from "../../layout/sizes.ts";
import { programOf } from "../../system/own-modules.ts";
import { type Bench, CannotJudge, type Point } from "../point.ts";
import { HUGE_FAULT } from "./commits.ts";
import { parseLeaves, type SharedPart } from "./shared-part.ts";

/** It starts, maps and touches a few pages; emulated machines take seconds. */
const LIMIT_MILLISECONDS = 120_000;

export const twoProcesses: Point = {
  name: "two_processes",
  about: "a second process that maps the same memory gets the same leaves, and takes none away when it ends",
  commits: [HUGE_FAULT],
  needsHugeLeaves: true,
  run(bench) {
    for (const size of bench.hugeLeaves()) {
      const name = formatSize(size);
      const trial = bench.map({ size });
      bench.expectLeaf(trial, 0, `${name}, here`, size);
      const at = [0, size / 2, size - bench.page];
      const leaves = leavesElsewhere(bench, { offset: 0, size, at });
      for (const [index, place] of at.entries()) {
        bench.note(`${name}, elsewhere, at 0x${place.toString(16)}`, name, formatSize(leaves[index] ?? 0));
      }
      const { leaf, faulted } = bench.observer.touchAnew(trial, bench.page);
      // Counts alone cannot tell this process's other faults from this one.
      if (bench.observer.evidence !== "counters")
        bench.note(`${name}, here, after the other has ended: a fault`, "no", faulted ? "yes" : "no");
      bench.note(`${name}, here, after the other has ended: its leaf`, name, formatSize(leaf));
      bench.close();
    }
  },
};

/** The leaves that another process gets for the part, by its own look. */
function leavesElsewhere(
  { subject }: Bench,
  place: Pick<SharedPart, "offset" | "size" | "at">,
): readonly number[] {
  const { fd, fdOffset, protection, physical } = subject;
  const part: SharedPart = { ...place, fdOffset, protection, physical: String(physical) };
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [...programOf(import.meta.url, "other-process"), JSON.stringify(part)],
    { stdio: ["ignore", "pipe", "pipe", fd], encoding: "utf8", timeout: LIMIT_MILLISECONDS },
  );
  if (status === 0) return parseLeaves(stdout);
  throw new CannotJudge(`the other process ended with ${signal ?? status}: ${stderr.trim()}`);
}
