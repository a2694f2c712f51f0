/**
 * Which leaf the kernel laid: read from the page tables where that may be; else found out by what faults, since a page below a
 * leaf that is there faults no more.
 */

import { leafSizes, type PagingModel } from "../layout/paging.ts";
import type { LeafCount, MappedRange } from "../layout/leaves.ts";
import { openMinorFaults } from "../memory/counters.ts";
import { openFaultAddresses } from "../memory/fault-addresses.ts";
import { reach } from "../memory/reach.ts";
import { CHANGED } from "../page-tables/changed.ts";
import { type KernelMemory, openKernelMemory } from "../page-tables/kernel-memory.ts";
import { ProcessTables } from "../page-tables/processes.ts";
import { type GuestRange, VirtualMachines } from "../page-tables/virtual-machines.ts";
import { HugebarError } from "../errors.ts";
import type { System } from "../system/system.ts";

/** How a leaf is found: read, or by the faults of its pages, one by one or counted. */
export type ConformEvidence = "tables" | "addresses" | "counters";

export interface Observer {
  readonly evidence: ConformEvidence;
  /** Why it is no better one; null for the best. */
  readonly because: string | null;
  /** Touches a page of a mapping; whether there was something to touch. */
  reach(mapping: MappedRange, at: number): boolean;
  /**
   * Touches a page of a mapping, and finds the leaf that maps it then: its size in bytes, 0 where there is nothing to touch. The
   * kernel touches it, for a wrong one answers an access of this process's own with a signal that ends it.
   *
   * @param at bytes from the mapping's start
   */
  touch(mapping: MappedRange, at: number): number;
  /** The same, and whether it took a fault. */
  touchAnew(mapping: MappedRange, at: number): Touched;
  /** What is to be seen of others; null where only this process's own faults tell. */
  readonly others: OtherTables | null;
  /** What was touched is unmapped. */
  forget(): void;
  close(): void;
}

/** Page tables that are not this process's. */
export interface OtherTables {
  /** The leaf that another process has at an address; 0 for none. */
  leafIn(pid: number, address: bigint): number;
  /** The second stage's leaves in a stretch of the guest that this process runs; null where they cannot be read. */
  guestLeaves(guestAddress: bigint, size: number): readonly LeafCount[] | null;
}

export interface Touched {
  readonly leaf: number;
  /** Nothing mapped the page before. */
  readonly faulted: boolean;
}

/** The best observer that this process may have. */
export function openObserver(system: System, model: PagingModel, arch: string): Observer {
  const tables = openTables(system, model, arch);
  if (typeof tables !== "string") return tables;
  const addresses = openFaultAddresses(system, "all");
  if (typeof addresses === "string") {
    const because = `${tables}; ${addresses}`;
    const counter = openMinorFaults();
    return byFaults(system, model, {
      evidence: "counters",
      because,
      count: (touch) => {
        const before = counter.count();
        touch();
        return counter.count() - before;
      },
      close: () => counter.close(),
    });
  }
  return byFaults(system, model, {
    evidence: "addresses",
    because: tables,
    count: (touch, page) => {
      addresses.take();
      touch();
      return addresses.take().addresses.filter((each) => each >= page && each < page + BigInt(model.pageSize))
        .length;
    },
    close: () => addresses.close(),
  });
}

function openTables(system: System, model: PagingModel, arch: string): Observer | string {
  const { pageSize } = model;
  try {
    const kernel = openKernelMemory({ proc: "/proc", sys: "/sys" }, { arch, pageSize });
    try {
      const tables = new ProcessTables(kernel, "/proc");
      const leafIn = (pid: number, address: bigint): number | null => {
        const read = tables.leaves(pid, [{ address, size: pageSize }]);
        // This process stands still while it reads itself, and its child does nothing.
        if (read === null || read === CHANGED)
          throw new Error(`the page tables of process ${pid} changed while they were read`);
        return read[0]?.leaves[0]?.size ?? null;
      };
      const leafAt = (address: bigint): number | null => leafIn(process.pid, address);
      const touch = ({ address }: MappedRange, at: number): number => {
        const page = address + BigInt(at);
        return reach(system, page) ? (leafAt(page) ?? 0) : 0;
      };
      return {
        evidence: "tables",
        because: null,
        reach: ({ address }, at) => reach(system, address + BigInt(at)),
        touch,
        touchAnew(mapping, at) {
          const faulted = leafAt(mapping.address + BigInt(at)) === null;
          return { leaf: touch(mapping, at), faulted };
        },
        others: {
          leafIn: (pid, address) => leafIn(pid, address) ?? 0,
          guestLeaves: (guestAddress, size) => guestLeaves(kernel, tables, { guestAddress, size }),
        },
        forget: () => undefined,
        close: () => kernel.close(),
      };
    } catch (error) {
      kernel.close();
      throw error;
    }
  } catch (error) {
    if (error instanceof HugebarError) return error.message;
    throw error;
  }
}

/** The second stage of the virtual machine that this process has, the only one. */
function guestLeaves(
  kernel: KernelMemory,
  processes: ProcessTables,
  range: GuestRange,
): readonly LeafCount[] | null {
  const machines = new VirtualMachines(kernel);
  const [list, pids] = [machines.list(), processes.byAddressSpace()];
  if (list === CHANGED || pids === CHANGED) return null;
  const own = list.find(({ mm }) => pids.get(mm) === process.pid);
  const read = own === undefined ? null : machines.leaves(own, [range]);
  return read === null || read === CHANGED ? null : (read[0]?.leaves ?? null);
}

interface FaultCounter {
  readonly evidence: "addresses" | "counters";
  readonly because: string;
  /** Faults in the page while it is touched. */
  count(touch: () => void, page: bigint): number;
  close(): void;
}

/**
 * Reading the counts takes faults of its own now and then, with pages of 64 KiB often: it is repeated for other pages of the leaf
 * until one takes none, up to so many.
 */
const COUNTED_PAGES = 64;

function byFaults(system: System, model: PagingModel, counter: FaultCounter): Observer {
  const { pageSize } = model;
  const larger = leafSizes(model)
    .filter((size) => size > pageSize)
    .reverse();
  const touched = new Set<bigint>();
  /** How many; without end where there is nothing to touch. */
  const faultsAt = (page: bigint): number => {
    touched.add(page);
    let isThere = false;
    const count = counter.count(() => (isThere = reach(system, page)), page);
    return isThere ? count : Infinity;
  };
  const touchAnew = (mapping: MappedRange, at: number): Touched => {
    const faults = faultsAt(mapping.address + BigInt(at));
    const faulted = faults > 0;
    if (faults === Infinity) return { leaf: 0, faulted };
    let leaf = pageSize;
    for (const size of larger) {
      const count = counter.evidence === "counters" ? COUNTED_PAGES : 1;
      const others = othersBelow(mapping, at, { size, smaller: leaf, count, touched });
      if (!others.some((page) => faultsAt(page) === 0)) break;
      leaf = size;
    }
    return { leaf, faulted };
  };
  return {
    evidence: counter.evidence,
    because: counter.because,
    reach({ address }, at) {
      const page = address + BigInt(at);
      touched.add(page);
      return reach(system, page);
    },
    touch: (mapping, at) => touchAnew(mapping, at).leaf,
    touchAnew,
    others: null,
    forget: () => touched.clear(),
    close: () => counter.close(),
  };
}

/**
 * Pages of the mapping that a leaf of `size` over the page at `at` would map, and one of `smaller` would not; none of those whose
 * own leaf of `smaller` may be there already, since something below it was touched.
 */
export function othersBelow(
  { address, size: length }: MappedRange,
  at: number,
  options: {
    readonly size: number;
    readonly smaller: number;
    readonly count: number;
    readonly touched: ReadonlySet<bigint>;
  },
): bigint[] {
  const { size, smaller, count, touched } = options;
  const page = address + BigInt(at);
  const block = page - (page % BigInt(size));
  const known = new Set([page, ...touched].map((each) => each / BigInt(smaller)));
  const found: bigint[] = [];
  for (let number = 0; number < size / smaller && found.length < count; number += 1) {
    const candidate = block + BigInt(number * smaller);
    if (known.has(candidate / BigInt(smaller))) continue;
    if (candidate < address || candidate >= address + BigInt(length)) continue;
    found.push(candidate);
  }
  return found;
}
