/** The page tables of processes: from a number to the root of its tables, and what these hold. */

import { readlinkSync } from "node:fs";
import { join } from "node:path";
import { hugebarError } from "../errors.ts";
import { PROC_PID_INIT_INO } from "../system/constants.ts";
import { type Changed, TablesChanged, untilUnchanged } from "./changed.ts";
import type { KernelMemory } from "./kernel-memory.ts";
import { LeafTally, type LeavesRead } from "./leaf-tally.ts";
import { readStruct } from "./struct-reader.ts";
import { walkTables } from "./walk.ts";

/** A stretch of a process's addresses. */
export interface AddressRange {
  readonly address: bigint;
  /** Bytes. */
  readonly size: number;
}

/** PID_MAX_LIMIT on 64-bit kernels: a list that goes on longer is none. */
const MOST_TASKS = 4 * 1024 * 1024;

/** `/proc/self/ns/pid` of the first namespace: numbers there are the kernel's own. */
const FIRST_PID_NAMESPACE = `pid:[${PROC_PID_INIT_INO}]`;

interface TaskOffsets {
  readonly tasks: number;
  readonly pid: number;
  readonly mm: number;
  readonly pgd: number;
}

/** Where a process's page tables were found. */
interface AddressSpace {
  readonly task: bigint;
  readonly mm: bigint;
  /** Physical address of the root. */
  readonly root: number;
}

/** Reads the page tables of processes by their numbers. */
export class ProcessTables {
  readonly #kernel: KernelMemory;
  readonly #offsets: TaskOffsets;
  readonly #init: bigint;

  /**
   * @param proc in which numbers are the kernel's own
   * @throws ERR_NOT_SUPPORTED where this kernel's structures are not as expected, and in a PID namespace
   */
  constructor(kernel: KernelMemory, proc: string) {
    const { layout, symbols } = kernel;
    this.#kernel = kernel;
    this.#offsets = {
      tasks: layout.offset("task_struct", "tasks"),
      pid: layout.offset("task_struct", "pid"),
      mm: layout.offset("task_struct", "mm"),
      pgd: layout.offset("mm_struct", "pgd"),
    };
    const init = symbols.get("init_task");
    if (init === undefined) {
      throw hugebarError("ERR_NOT_SUPPORTED", {
        action: "read page tables",
        problem: "/proc/kallsyms has no init_task: this kernel needs CONFIG_KALLSYMS_ALL",
      });
    }
    this.#init = init;
    if (!isFirstNamespace(proc)) {
      throw hugebarError("ERR_NOT_SUPPORTED", {
        action: "read page tables",
        problem: "the numbers of processes are a container's here: run hugebar outside of it",
      });
    }
  }

  /**
   * The leaves that the process's page tables have in each stretch; null where the process is gone.
   *
   * @param isPlausible whether a physical address may be mapped
   */
  leaves(
    pid: number,
    ranges: readonly AddressRange[],
    options: {
      readonly isPlausible?: (physical: number, size: number) => boolean;
      readonly progress?: (bytes: number) => void;
    } = {},
  ): readonly LeavesRead[] | Changed | null {
    return untilUnchanged(() => {
      const space = this.#find(pid);
      if (space === null) return null;
      const read = ranges.map(({ address, size }) => {
        const tally = new LeafTally(size);
        const { kcore, hostFormat } = this.#kernel;
        const tables = walkTables({
          memory: kcore,
          format: hostFormat,
          root: space.root,
          from: address,
          size,
          visit: (run) => {
            tally.add(run);
          },
          ...options,
        });
        return tally.result(tables);
      });
      this.#check(pid, space);
      return read;
    });
  }

  /** The number of each process by the address of its `mm_struct`, kernel threads left out. */
  byAddressSpace(): ReadonlyMap<bigint, number> | Changed {
    return untilUnchanged(() => {
      const pids = new Map<bigint, number>();
      this.#each((pid, _task, mm) => {
        if (mm !== 0n) pids.set(mm, pid);
        return false;
      });
      return pids;
    });
  }

  #find(pid: number): AddressSpace | null {
    let space: AddressSpace | null = null;
    this.#each((found, task, mm) => {
      if (found !== pid) return false;
      if (mm !== 0n) space = { task, mm, root: this.#rootOf(mm) };
      return true;
    });
    return space;
  }

  /** Goes through the tasks of processes, which may come and go meanwhile, until one is taken. */
  #each(take: (pid: number, task: bigint, mm: bigint) => boolean): void {
    const { tasks, pid, mm } = this.#offsets;
    const { kcore } = this.#kernel;
    const head = this.#init + BigInt(tasks);
    let link = readStruct(kcore, this.#init, [tasks]).u64(tasks);
    for (let count = 0; link !== head; count += 1) {
      if (count > MOST_TASKS) throw new TablesChanged("the list of tasks has no end");
      const task = link - BigInt(tasks);
      const bytes = readStruct(kcore, task, [tasks, pid, mm]);
      if (take(bytes.u32(pid), task, bytes.u64(mm))) return;
      link = bytes.u64(tasks);
    }
  }

  #rootOf(mm: bigint): number {
    const { kcore } = this.#kernel;
    const { pgd } = this.#offsets;
    return kcore.physicalOf(readStruct(kcore, mm, [pgd]).u64(pgd));
  }

  /** The process still has the same tables: an exec or an exit would have given them back. */
  #check(pid: number, { task, mm, root }: AddressSpace): void {
    const { kcore } = this.#kernel;
    const offsets = this.#offsets;
    const bytes = readStruct(kcore, task, [offsets.pid, offsets.mm]);
    if (bytes.u32(offsets.pid) !== pid || bytes.u64(offsets.mm) !== mm || this.#rootOf(mm) !== root) {
      throw new TablesChanged(`process ${pid} has other page tables now`);
    }
  }
}

function isFirstNamespace(proc: string): boolean {
  try {
    return readlinkSync(join(proc, "self/ns/pid")) === FIRST_PID_NAMESPACE;
  } catch (error) {
    // A kernel without CONFIG_PID_NS has one namespace only, and no such file.
    return error instanceof Error && "code" in error && error.code === "ENOENT";
  }
}
