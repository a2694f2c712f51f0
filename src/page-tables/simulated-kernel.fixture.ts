/** A machine with `/proc/kcore`, `/proc/kallsyms` and BTF, made of files: one process, and one virtual machine of it. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BtfWriter, type WrittenMember } from "./btf.fixture.ts";
import {
  MEMORY_START,
  SimulatedMemory,
  SimulatedTables,
  x86Entries,
  x86SecondStageEntries,
} from "./simulated-memory.fixture.ts";
import { x86HostFormat, x86SecondStageFormat } from "./table-format.ts";

const MEMORY_SIZE = 2 ** 20;
/** Where the kernel maps memory, not at its usual place, as CONFIG_RANDOMIZE_MEMORY does it. */
export const DIRECT_MAP = 0xffff_9a40_0000_0000n;
const HEADERS = 4096;

export const PID = 4100;
export const HOST_ADDRESS = 0x7f40_0000_0000n;
export const GUEST_ADDRESS = 0x38_0000_0000n;

/** Structures as no kernel has them: only the names matter. Each member takes eight bytes. */
const STRUCTS: Readonly<Record<string, readonly string[]>> = {
  list_head: ["next", "prev"],
  rb_node: ["__rb_parent_color", "rb_right", "rb_left"],
  task_struct: ["flags", "tasks", "", "mm", "pid"],
  mm_struct: ["pgd"],
  kvm_memslots: ["generation", "gfn_tree", "node_idx"],
  kvm_memory_slot: ["gfn_node", "", "", "", "", "", "base_gfn", "npages", "userspace_addr", "flags", "id"],
};

export interface SimulatedKernel {
  readonly proc: string;
  readonly sys: string;
  readonly memory: SimulatedMemory;
  readonly process: SimulatedTables;
  readonly guest: SimulatedTables;
  /** Writes the files; once more after the memory was changed. */
  write(): void;
  /** Changes bytes of a file. */
  damage(file: string, changes: readonly { readonly at: number; readonly value: number }[]): void;
  remove(): void;
}

/** @param without members and structures to leave out: `kvm.mm` */
export function simulatedKernel(without: readonly string[] = []): SimulatedKernel {
  const folder = mkdtempSync(join(tmpdir(), "hugebar-kernel-"));
  const proc = join(folder, "proc");
  const sys = join(folder, "sys");
  const memory = new SimulatedMemory(MEMORY_SIZE, 16 * 4096);
  const process = new SimulatedTables(memory, x86HostFormat({ levels: 4 }), x86Entries);
  const guest = new SimulatedTables(memory, x86SecondStageFormat({ levels: 4 }), x86SecondStageEntries);
  fill(memory, process.root, guest.root);

  mkdirSync(join(proc, "self/ns"), { recursive: true });
  symlinkSync("pid:[4026531836]", join(proc, "self/ns/pid"));
  mkdirSync(join(sys, "kernel/btf"), { recursive: true });
  const { kernel, kvm } = writtenBtf(without);
  writeFileSync(join(sys, "kernel/btf/vmlinux"), kernel);
  writeFileSync(join(sys, "kernel/btf/kvm"), kvm);
  const symbol = (place: number): string => (DIRECT_MAP + BigInt(place)).toString(16);
  writeFileSync(
    join(proc, "kallsyms"),
    `${symbol(0x100)} T not_init_task\n${symbol(INIT_TASK)} D init_task\n${symbol(VM_LIST)} b vm_list\t[kvm]\n`,
  );
  const write = (): void => {
    writeFileSync(join(proc, "kcore"), Buffer.concat([coreHeader(), memory.bytes]));
  };
  write();
  return {
    proc,
    sys,
    memory,
    process,
    guest,
    write,
    damage(file, changes) {
      const bytes = readFileSync(file);
      for (const { at, value } of changes) bytes[at] = value;
      writeFileSync(file, bytes);
    },
    remove() {
      rmSync(folder, { recursive: true });
    },
  };
}

// Places in memory, from its start.
const INIT_TASK = 0x1000;
const TASK = 0x1100;
const MM = 0x1200;
const VM_LIST = 0x1300;
const KVM = 0x1400;
const SLOTS = 0x1500;
const SLOT = 0x1600;
const ROOT_PAGE = 0x1700;

function fill(memory: SimulatedMemory, processRoot: number, guestRoot: number): void {
  const put = (struct: number, index: number, value: bigint | number): void => {
    memory.writeEntry(MEMORY_START + struct + 8 * index, BigInt.asUintN(64, BigInt(value)));
  };
  const address = (place: number, index = 0): bigint => DIRECT_MAP + BigInt(place + 8 * index);
  const mapped = (physical: number): bigint => DIRECT_MAP + BigInt(physical - MEMORY_START);
  put(INIT_TASK, 1, address(TASK, 1));
  put(TASK, 1, address(INIT_TASK, 1));
  put(TASK, 3, address(MM));
  put(TASK, 4, PID);
  put(MM, 0, mapped(processRoot));
  put(VM_LIST, 0, address(KVM, 0));
  put(KVM, 0, address(VM_LIST));
  put(KVM, 2, address(MM));
  put(KVM, 3, PID);
  put(KVM, 4, address(SLOTS));
  put(KVM, 6, address(ROOT_PAGE, 0));
  put(SLOTS, 0, 2);
  put(SLOTS, 1, address(SLOT, 0));
  put(SLOT, 6, GUEST_ADDRESS >> 12n);
  put(SLOT, 7, 2 ** 30 / 4096);
  put(SLOT, 8, HOST_ADDRESS);
  put(SLOT, 9, 1);
  put(SLOT, 10, 3);
  put(ROOT_PAGE, 0, address(KVM, 6));
  put(ROOT_PAGE, 2, mapped(guestRoot));
  put(ROOT_PAGE, 3, 4);
}

function writtenBtf(without: readonly string[]): { kernel: Buffer; kvm: Buffer } {
  const writer = new BtfWriter();
  const word = writer.int("long unsigned int", 8);
  const keep = (struct: string, names: readonly string[], type: number): WrittenMember[] =>
    names.flatMap((name, index) =>
      name === "" || without.includes(`${struct}.${name}`) ? [] : [{ name, type, bitOffset: 64 * index }],
    );
  for (const [struct, names] of Object.entries(STRUCTS)) {
    if (!without.includes(struct)) writer.struct(struct, 8 * names.length, keep(struct, names, word));
  }
  const module = new BtfWriter(writer.count + 1, writer.stringsLength);
  const arch = module.struct("kvm_arch", 16, keep("kvm_arch", ["tdp_mmu_roots"], word));
  module.struct("kvm", 64, [
    ...keep("kvm", ["vm_list", "", "mm", "userspace_pid", "memslots"], word),
    { name: "arch", type: arch, bitOffset: 64 * 6 },
  ]);
  const role = module.struct("kvm_mmu_page_role", 4, [
    { name: "level", type: word, bitOffset: 0, bitSize: 4 },
    { name: "invalid", type: word, bitOffset: 11, bitSize: 1 },
    { name: "smm", type: word, bitOffset: 24, bitSize: 8 },
  ]);
  module.struct("kvm_mmu_page", 32, [
    ...keep("kvm_mmu_page", ["link", "", "spt"], word),
    { name: "role", type: role, bitOffset: 64 * 3 },
  ]);
  return { kernel: writer.bytes(), kvm: module.bytes() };
}

/** Two segments: one of no plain memory, and that of memory. */
function coreHeader(): Buffer {
  const header = Buffer.alloc(HEADERS);
  header.writeUInt32BE(0x7f454c46, 0);
  header.set([2, 1, 1], 4);
  header.writeBigUInt64LE(64n, 32);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(2, 56);
  const segment = (index: number, virtual: bigint, physical: bigint, size: number): void => {
    const at = 64 + 56 * index;
    header.writeUInt32LE(1, at);
    header.writeBigUInt64LE(BigInt(HEADERS), at + 8);
    header.writeBigUInt64LE(virtual, at + 16);
    header.writeBigUInt64LE(physical, at + 24);
    header.writeBigUInt64LE(BigInt(size), at + 32);
    header.writeBigUInt64LE(BigInt(size), at + 40);
  };
  segment(0, 0xffff_ffff_c000_0000n, 0xffff_ffff_ffff_ffffn, 4096);
  segment(1, DIRECT_MAP, BigInt(MEMORY_START), MEMORY_SIZE);
  return header;
}
