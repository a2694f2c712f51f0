/**
 * The kernel's own count of huge faults, for tests inside the guest: kprobes on vfio-pci's fault handler tell the order
 * that each call tried and what came of it.
 */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { linux } from "../../../src/system/libc.ts";

const tracing = "/sys/kernel/tracing";
const handler = "vfio_pci_mmap_huge_fault";

/** VM_FAULT_NOPAGE: the leaf is there. Another order is tried after VM_FAULT_FALLBACK (include/linux/mm_types.h). */
const VM_FAULT_NOPAGE = 0x100;

/** Leaves by their size, large to small; sizes without any are left out. */
export type LeafTally = readonly { readonly size: number; readonly count: number }[];

/** Runs `touch` and returns the leaves that the kernel put in place meanwhile. */
export async function leavesTakenBy(touch: () => void | Promise<void>): Promise<LeafTally> {
  writeFileSync(join(tracing, "kprobe_events"), `p:hugebar/try ${handler} order=$arg2:u32\n`);
  writeFileSync(join(tracing, "kprobe_events"), `r:hugebar/result ${handler} result=$retval:x32\n`, {
    flag: "a",
  });
  try {
    writeFileSync(join(tracing, "buffer_size_kb"), "16384");
    writeFileSync(join(tracing, "trace"), "");
    writeFileSync(join(tracing, "events/hugebar/enable"), "1");
    await touch();
    writeFileSync(join(tracing, "events/hugebar/enable"), "0");
    return tally(readFileSync(join(tracing, "trace"), "utf8"));
  } finally {
    if (existsSync(join(tracing, "events/hugebar/enable")))
      writeFileSync(join(tracing, "events/hugebar/enable"), "0");
    writeFileSync(join(tracing, "kprobe_events"), "");
    writeFileSync(join(tracing, "trace"), "");
    writeFileSync(join(tracing, "buffer_size_kb"), "1408");
  }
}

/** A call's result follows its try: only one thread touches the device. */
function tally(trace: string): LeafTally {
  const lost = /entries-in-buffer\/entries-written: (\d+)\/(\d+)/.exec(trace);
  if (lost === null || lost[1] !== lost[2]) throw new Error(`the trace is not whole: ${lost?.[0]}`);
  const counts = new Map<number, number>();
  let order = 0;
  for (const [, tried, result] of trace.matchAll(/ order=(\d+)| result=0x([0-9a-f]+)/g)) {
    if (tried !== undefined) order = Number(tried);
    else if (Number.parseInt(result ?? "", 16) === VM_FAULT_NOPAGE)
      counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  return [...counts]
    .map(([tried, count]) => ({ size: linux.pageSize * 2 ** tried, count }))
    .sort((a, b) => b.size - a.size);
}
