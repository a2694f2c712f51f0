/** The virtual machines of KVM, as the kernel has them: memory slots, and where the second stage's tables are. */

import { hugebarError } from "../errors.ts";
import { type Changed, TablesChanged, untilUnchanged } from "./changed.ts";
import type { KernelMemory } from "./kernel-memory.ts";
import { LeafTally, type LeavesRead } from "./leaf-tally.ts";
import {
  armRoot,
  secondStageRoots,
  type SecondStageRoot,
  type X86Roots,
  x86Roots,
} from "./second-stage-roots.ts";
import type { StructLayout } from "./struct-layout.ts";
import { readStruct } from "./struct-reader.ts";
import { walkTables } from "./walk.ts";

/** A stretch of a virtual machine's physical addresses, and what lies there (`struct kvm_userspace_memory_region`). */
export interface MemorySlot {
  readonly id: number;
  readonly guestAddress: bigint;
  /** Bytes. */
  readonly size: number;
  /** Where it is in the monitor's memory. */
  readonly hostAddress: bigint;
  /** KVM_MEM_LOG_DIRTY_PAGES */
  readonly logsDirtyPages: boolean;
  /** KVM_MEM_READONLY */
  readonly readOnly: boolean;
}

export interface VirtualMachine {
  /** Which it is, for `leaves`; an address of the kernel. */
  readonly kvm: bigint;
  /** The monitor's `mm_struct`, by which `ProcessTables` finds the process. */
  readonly mm: bigint;
  /** The thread that made it. */
  readonly creator: number;
  /** By guest address. */
  readonly slots: readonly MemorySlot[];
}

/** A stretch of guest-physical addresses. */
export interface GuestRange {
  readonly guestAddress: bigint;
  /** Bytes. */
  readonly size: number;
}

/** KVM_MEM_SLOTS_NUM is SHRT_MAX. */
const MOST_SLOTS = 32_768;
const MOST_MACHINES = 65_536;
const KVM_MEM_LOG_DIRTY_PAGES = 1;
const KVM_MEM_READONLY = 2;

/** Reads the virtual machines of a kernel that has KVM. */
export class VirtualMachines {
  readonly #kernel: KernelMemory;
  readonly #head: bigint;
  readonly #offsets: ReturnType<typeof offsetsIn>;
  readonly #roots: X86Roots | null;

  /** @throws ERR_NOT_SUPPORTED where KVM is not there, or its structures are not as expected */
  constructor(kernel: KernelMemory) {
    const head = kernel.symbols.get("vm_list");
    if (head === undefined || kernel.kvmLayout === null) {
      throw hugebarError("ERR_NOT_SUPPORTED", {
        action: "read virtual machines",
        problem: "KVM is not loaded, or /proc/kallsyms does not show it",
      });
    }
    this.#kernel = kernel;
    this.#head = head;
    this.#offsets = offsetsIn(kernel.kvmLayout);
    this.#roots = kernel.paging.arch === "aarch64" ? null : x86Roots(kernel.kvmLayout);
  }

  /** Every virtual machine there is. */
  list(): readonly VirtualMachine[] | Changed {
    return untilUnchanged(() => this.#addresses().map((kvm) => this.#machine(kvm)));
  }

  /**
   * The leaves that the second stage has in each stretch. Null where the machine is gone, or has no tables: none yet, or
   * those of the shadow MMU, which are not read.
   */
  leaves(
    { kvm, mm }: VirtualMachine,
    ranges: readonly GuestRange[],
    options: { readonly progress?: (bytes: number) => void } = {},
  ): readonly LeavesRead[] | Changed | null {
    return untilUnchanged(() => {
      const root = this.#rootOf(kvm, mm);
      if (root === null) return null;
      const read = ranges.map(({ guestAddress, size }) => {
        const tally = new LeafTally(size);
        const tables = walkTables({
          memory: this.#kernel.kcore,
          format: root.format,
          root: root.physical,
          from: guestAddress,
          size,
          visit: (run) => {
            tally.add(run);
          },
          ...options,
        });
        return tally.result(tables);
      });
      const after = this.#rootOf(kvm, mm);
      if (after?.physical !== root.physical) throw new TablesChanged("the second stage has another root now");
      return read;
    });
  }

  #rootOf(kvm: bigint, mm: bigint): SecondStageRoot | null {
    if (!this.#addresses().includes(kvm) || this.#mmOf(kvm) !== mm) return null;
    if (this.#roots === null) return armRoot(this.#kernel, kvm);
    return secondStageRoots(this.#kernel, this.#roots, kvm);
  }

  /** The list is short, and is walked anew: a machine that has ended is on it no more. */
  #addresses(): bigint[] {
    const { kcore } = this.#kernel;
    const { list } = this.#offsets.kvm;
    const addresses: bigint[] = [];
    let link = readStruct(kcore, this.#head, [0]).u64(0);
    while (link !== this.#head) {
      if (addresses.length > MOST_MACHINES)
        throw new TablesChanged("the list of virtual machines has no end");
      addresses.push(link - BigInt(list));
      link = readStruct(kcore, link, [0]).u64(0);
    }
    return addresses;
  }

  #mmOf(kvm: bigint): bigint {
    const { mm } = this.#offsets.kvm;
    return readStruct(this.#kernel.kcore, kvm, [mm]).u64(mm);
  }

  #machine(kvm: bigint): VirtualMachine {
    const { kcore } = this.#kernel;
    const { pid, memslots } = this.#offsets.kvm;
    const { generation } = this.#offsets.slots;
    const set = readStruct(kcore, kvm, [memslots]).u64(memslots);
    const before = readStruct(kcore, set, [generation]).u64(generation);
    const slots = this.#slots(set);
    // Another set takes the place of this one when a slot comes or goes, and this one is changed after.
    const now = readStruct(kcore, kvm, [memslots]).u64(memslots);
    if (now !== set || readStruct(kcore, set, [generation]).u64(generation) !== before) {
      throw new TablesChanged("memory slots came or went");
    }
    return { kvm, mm: this.#mmOf(kvm), creator: readStruct(kcore, kvm, [pid]).u32(pid), slots };
  }

  /** The slots of one set: a red-black tree whose nodes lie in the slots, by guest address. */
  #slots(set: bigint): MemorySlot[] {
    const { kcore } = this.#kernel;
    const { tree, node: nodeIndex } = this.#offsets.slots;
    const { left, right, nodeSize } = this.#offsets.tree;
    const { node } = this.#offsets.slot;
    const head = readStruct(kcore, set, [tree, nodeIndex]);
    const index = head.i32(nodeIndex);
    if (index !== 0 && index !== 1) throw new TablesChanged("a set of memory slots is none");
    const nodeAt = BigInt(node + index * nodeSize);
    const slots: MemorySlot[] = [];
    const waiting = [head.u64(tree)];
    for (let link = waiting.pop(); link !== undefined; link = waiting.pop()) {
      if (link === 0n) continue;
      if (slots.length >= MOST_SLOTS) throw new TablesChanged("the memory slots have no end");
      const links = readStruct(kcore, link, [left, right]);
      slots.push(this.#slot(link - nodeAt));
      waiting.push(links.u64(left), links.u64(right));
    }
    return slots.sort((a, b) => (a.guestAddress < b.guestAddress ? -1 : 1));
  }

  #slot(address: bigint): MemorySlot {
    const { gfn, pages, host, flags, id } = this.#offsets.slot;
    const bytes = readStruct(this.#kernel.kcore, address, [gfn, pages, host, flags, id]);
    const pageSize = BigInt(this.#kernel.paging.pageSize);
    const size = bytes.u64(pages) * pageSize;
    const guestAddress = bytes.u64(gfn) * pageSize;
    // KVM_MEM_MAX_NR_PAGES is 2^31 − 1; guests have up to 52 bits of addresses.
    if (size === 0n || size > 2n ** 43n * 16n || guestAddress + size > 2n ** 57n) {
      throw new TablesChanged("a memory slot is none");
    }
    return {
      id: bytes.i16(id),
      guestAddress,
      size: Number(size),
      hostAddress: bytes.u64(host),
      logsDirtyPages: (bytes.u32(flags) & KVM_MEM_LOG_DIRTY_PAGES) !== 0,
      readOnly: (bytes.u32(flags) & KVM_MEM_READONLY) !== 0,
    };
  }
}

function offsetsIn(layout: StructLayout) {
  return {
    kvm: {
      list: layout.offset("kvm", "vm_list"),
      mm: layout.offset("kvm", "mm"),
      pid: layout.offset("kvm", "userspace_pid"),
      memslots: layout.offset("kvm", "memslots"),
    },
    slots: {
      generation: layout.offset("kvm_memslots", "generation"),
      tree: layout.offset("kvm_memslots", "gfn_tree"),
      node: layout.offset("kvm_memslots", "node_idx"),
    },
    tree: {
      left: layout.offset("rb_node", "rb_left"),
      right: layout.offset("rb_node", "rb_right"),
      nodeSize: layout.sizeOf("rb_node"),
    },
    slot: {
      node: layout.offset("kvm_memory_slot", "gfn_node"),
      gfn: layout.offset("kvm_memory_slot", "base_gfn"),
      pages: layout.offset("kvm_memory_slot", "npages"),
      host: layout.offset("kvm_memory_slot", "userspace_addr"),
      flags: layout.offset("kvm_memory_slot", "flags"),
      id: layout.offset("kvm_memory_slot", "id"),
    },
  };
}
