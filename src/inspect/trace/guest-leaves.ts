/** Counts the leaves that KVM lays in second stages over device memory, from what its own event says, line by line. */

/** Every entry that the TDP MMU changes (arch/x86/kvm/mmu/mmutrace.h); x86-64 has it. */
export const GUEST_TRACEPOINT = "kvmmmu/kvm_tdp_mmu_spte_changed";

/** Device memory: a BAR. */
export interface Bar {
  readonly device: string;
  /** The region's index. */
  readonly region: number;
  /** Physical. */
  readonly address: bigint;
  /** Bytes. */
  readonly size: number;
}

/** Leaves of one size that one process's guests got over one BAR. */
export interface GuestLeafCount {
  /** 0 where the kernel did not know it when it printed, and the thread is gone. */
  readonly pid: number;
  readonly device: string;
  readonly region: number;
  /** Bytes. */
  readonly size: number;
  readonly laid: number;
}

export interface GuestLeafCounter {
  /** Takes a piece of the trace's text; it may end in the middle of a line. */
  take(text: string): void;
  counts(): readonly GuestLeafCount[];
  readonly uncounted: number;
}

const MOST_KINDS = 50_000;
const LONGEST_LINE = 1024;

/**
 * `CPU 0/KVM-311 (308) [001] ..... 9.1: kvm_tdp_mmu_spte_changed: as id 0 gfn 1000 level 2 old_spte 0 new_spte 8f7`, the
 * numbers but the level in hexadecimal. The greedy start is for threads' names, which may hold anything.
 */
const LINE =
  /^.*-(\d+)\s+\(\s*([\d-]+)\)\s+\[\d+\]\s.*? kvm_tdp_mmu_spte_changed: as id \d+ gfn [0-9a-f]+ level (\d) old_spte ([0-9a-f]{1,16}) new_spte ([0-9a-f]{1,16})$/;

/** SPTE_MMU_PRESENT_MASK (arch/x86/kvm/mmu/spte.h): frozen and MMIO entries have it not. */
const PRESENT = 1n << 11n;
const LARGE = 1n << 7n;
const ADDRESS = 0xf_ffff_ffff_f000n;

/** @param processOf the process of a thread that the kernel prints without one, 0 where it is gone */
export function guestLeafCounter(
  bars: readonly Bar[],
  processOf: (tid: number) => number,
  mostKinds = MOST_KINDS,
): GuestLeafCounter {
  const counts = new Map<string, Counted>();
  let unfinished = "";
  let uncounted = 0;
  const takeLine = (line: string): void => {
    const [, tid = "", pid = "", level = "", old = "", now = ""] = LINE.exec(line) ?? [];
    if (now === "") return;
    const physical = leafAt(BigInt(`0x${now}`), Number(level));
    // The same leaf with other rights is not laid anew.
    if (physical === null || leafAt(BigInt(`0x${old}`), Number(level)) === physical) return;
    const bar = bars.find(({ address, size }) => physical >= address && physical < address + BigInt(size));
    if (bar === undefined) return;
    const process = /^\d+$/.test(pid) ? Number(pid) : processOf(Number(tid));
    const key = `${process} ${bar.device} ${bar.region} ${level}`;
    const known = counts.get(key);
    if (known !== undefined) known.laid += 1;
    else if (counts.size >= mostKinds) uncounted += 1;
    else {
      const size = 4096 * 512 ** (Number(level) - 1);
      counts.set(key, { pid: process, device: bar.device, region: bar.region, size, laid: 1 });
    }
  };
  return {
    take(text) {
      const lines = (unfinished + text).split("\n");
      unfinished = (lines.pop() ?? "").slice(-LONGEST_LINE);
      lines.forEach(takeLine);
    },
    counts: () =>
      [...counts.values()].sort(
        (a, b) => a.pid - b.pid || compare(a.device, b.device) || a.region - b.region || b.size - a.size,
      ),
    get uncounted() {
      return uncounted;
    },
  };
}

interface Counted extends GuestLeafCount {
  laid: number;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The physical address that an entry maps; null where it maps none. */
function leafAt(entry: bigint, level: number): bigint | null {
  if ((entry & PRESENT) === 0n || level < 1 || level > 3) return null;
  return level === 1 || (entry & LARGE) !== 0n ? entry & ADDRESS : null;
}
