/** Two processes that have the same memory mapped, by a mapping of its own or by fork: each has leaves of its own. */

import { spawnSync } from "node:child_process";
import { formatSize } from "../../layout/sizes.ts";
import { programOf } from "../../system/own-modules.ts";
import { type Bench, CannotJudge, type Point, tryTo } from "../point.ts";
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
      bench.expectKept(trial, `${name}, here, after the other has ended`);
      bench.close();
    }
  },
};

const FORK = 'bc02afbd4d73 ("mm/fork: accept huge pfnmap entries")';

export const forked: Point = {
  name: "fork",
  about:
    "a child is given its parent's leaves by fork, without a fault of its own, and takes none away when it ends",
  commits: [FORK],
  needsHugeLeaves: true,
  run(bench) {
    const { subject, observer } = bench;
    const { others } = observer;
    if (others === null)
      throw new CannotJudge("only page tables show the leaves of a child that does nothing");
    for (const size of bench.hugeLeaves()) {
      const name = formatSize(size);
      const trial = bench.map({ size });
      bench.expectLeaf(trial, 0, `${name}, before`, size);
      const child = tryTo("fork", () => subject.system.forkIdle());
      try {
        const leaf = others.leafIn(child, trial.address);
        bench.note(`${name}, in the child, untouched there`, name, formatSize(leaf));
      } finally {
        subject.system.endChild(child);
      }
      bench.expectKept(trial, `${name}, when the child has ended`);
      bench.close();
    }
  },
};

/** The leaves that another process gets for the part, by its own look. */
function leavesElsewhere(
  { subject }: Bench,
  place: Pick<SharedPart, "offset" | "size" | "at">,
): readonly number[] {
  const { fd, fdOffset, protection, advice, physical } = subject;
  const part: SharedPart = { ...place, fdOffset, protection, advice, physical: String(physical) };
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [...programOf(import.meta.url, "other-process"), JSON.stringify(part)],
    { stdio: ["ignore", "pipe", "pipe", fd], encoding: "utf8", timeout: LIMIT_MILLISECONDS },
  );
  if (status === 0) return parseLeaves(stdout);
  throw new CannotJudge(`the other process ended with ${signal ?? status}: ${stderr.trim()}`);
}
