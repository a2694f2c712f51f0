/** What the kernel says of its page tables meanwhile. */

import { closeSync, constants, openSync, readSync } from "node:fs";
import { CannotJudge, type Point } from "../point.ts";

/** mm/pgtable-generic.c, mm/memory.c (print_bad_pte), and what any oops begins with. */
const COMPLAINT = /\bbad p(?:te|md|ud|4d|gd)\b|\bBad page\b|\bBUG: |\bWARNING: /;

/** An IOMMU that does not reach the memory has nothing to do with the process's page tables. */
const OF_IOMMU = / drivers\/iommu\//;

/** What of a kind there is in the log from now on. Null where this process may not read it. */
export function openKernelLog(): (() => readonly string[]) | null {
  let seen: number;
  try {
    seen = complaints().length;
  } catch {
    return null;
  }
  return () => complaints().slice(seen);
}

/** Each read of /dev/kmsg gives one record, "priority,sequence,microseconds,flags;text" (Documentation/ABI/testing/dev-kmsg). */
function complaints(): string[] {
  const found: string[] = [];
  const fd = openSync("/dev/kmsg", constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const record = Buffer.alloc(8192);
    for (;;) {
      const line = record.toString("latin1", 0, readSync(fd, record));
      const text = line.slice(line.indexOf(";") + 1).split("\n", 1)[0] ?? "";
      if (COMPLAINT.test(text) && !OF_IOMMU.test(text)) found.push(text);
    }
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    // The end; EPIPE: a record was overwritten while it was read, and the next ones are there.
    if (code !== "EAGAIN" && code !== "EPIPE") throw error;
    return found;
  } finally {
    closeSync(fd);
  }
}

export const kernelLogClean: Point = {
  name: "kernel_log",
  about: "the kernel's log has no complaint about page tables since the test began",
  commits: [],
  needsHugeLeaves: false,
  run(bench) {
    const { complaints } = bench.options;
    if (complaints === null) throw new CannotJudge("/dev/kmsg may not be read");
    const [first = "nothing"] = complaints();
    bench.note("it says", "nothing", first);
  },
};
