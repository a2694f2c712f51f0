/** Counts the faults that a trace instance reports, line by line. */

/** One kind of fault: which thread took it, in which mapping, how large, and how it ended. */
export interface FaultCount {
  readonly tid: number;
  /** The process; 0 where the kernel did not know it when it printed, and the thread is gone. */
  readonly pid: number;
  /** Address of the mapping's first byte. */
  readonly start: bigint;
  /** log2 of the leaf's size in pages, as asked for. */
  readonly order: number;
  /** The fault handler's answer: VM_FAULT_… */
  readonly answer: number;
  readonly count: number;
}

export interface FaultCounter {
  /** Takes a piece of the trace's text; it may end in the middle of a line. */
  take(text: string): void;
  counts(): readonly FaultCount[];
  /** Faults seen but not counted, because there were too many kinds of them. */
  readonly uncounted: number;
}

/** More kinds than any machine has threads and mappings that matter; a few megabytes at most. */
const MOST_KINDS = 50_000;
const LONGEST_LINE = 1024;

/**
 * A line of `trace_pipe`: `qemu-8102 (8100) [003] ..... 12.345: page: (…) order=9 start=0x7f00 ret=0x100`. A thread's
 * name is its own choice, up to 15 bytes: the greedy start makes the last thing that looks like the fields count, and
 * only the kernel writes behind them.
 */
const LINE =
  /^.*-(\d+)\s+\(\s*([\d-]+)\)\s+\[\d+\]\s.*? (page|huge): \(.*\) order=(\d+) start=0x([0-9a-f]+) ret=0x([0-9a-f]+)$/;

/**
 * @param processOf the process of a thread that the kernel prints without one, 0 where it is gone: the kernel notes whose
 *   a thread is when it next leaves its CPU (kernel/trace/trace_sched_switch.c), which may be after its fault is read
 */
export function faultCounter(processOf: (tid: number) => number, mostKinds = MOST_KINDS): FaultCounter {
  const pages = new Map<string, Counted>();
  const huge = new Map<string, Counted>();
  let unfinished = "";
  let uncounted = 0;

  const takeLine = (line: string): void => {
    const [, tid = "", pid = "", event, order = "", start = "", answer = ""] = LINE.exec(line) ?? [];
    if (event === undefined) return;
    const counts = event === "page" ? pages : huge;
    const key = `${tid} ${start} ${order} ${answer}`;
    const known = counts.get(key);
    if (known !== undefined) {
      known.count += 1;
      if (known.pid === 0) known.pid = printedPid(pid);
    } else if (counts.size < mostKinds) {
      counts.set(key, {
        tid: Number(tid),
        pid: printedPid(pid) || processOf(Number(tid)),
        start: BigInt(`0x${start}`),
        order: Number(order),
        answer: Number.parseInt(answer, 16),
        count: 1,
      });
    } else {
      uncounted += 1;
    }
  };

  return {
    take(text) {
      const lines = (unfinished + text).split("\n");
      unfinished = (lines.pop() ?? "").slice(-LONGEST_LINE);
      lines.forEach(takeLine);
    },
    counts: () => merged(pages, huge),
    get uncounted() {
      return uncounted;
    },
  };
}

interface Counted {
  readonly tid: number;
  pid: number;
  readonly start: bigint;
  readonly order: number;
  readonly answer: number;
  count: number;
}

/** The kernel prints dashes for a process it does not know, or has forgotten. */
function printedPid(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : 0;
}

/**
 * The function for base pages may call the one for all sizes, or have it built in: where both report the same fault,
 * it is one.
 */
function merged(pages: ReadonlyMap<string, Counted>, huge: ReadonlyMap<string, Counted>): FaultCount[] {
  const all = new Map<string, Counted>(huge);
  for (const [key, page] of pages) {
    const same = all.get(key);
    if (same === undefined || same.count < page.count) all.set(key, page);
  }
  return [...all.values()];
}
