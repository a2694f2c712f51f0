/** Where a virtual machine's second-stage tables begin. */

import { TablesChanged } from "./changed.ts";
import { readPhysicalMask, type KernelMemory } from "./kernel-memory.ts";
import type { BitField, StructLayout } from "./struct-layout.ts";
import { readStruct } from "./struct-reader.ts";
import { arm64Format, type TableFormat, x86SecondStageFormat } from "./table-format.ts";

export interface SecondStageRoot {
  readonly physical: number;
  readonly format: TableFormat;
}

/** Where x86's KVM has its roots: `tdp_mmu_roots`, a list of `struct kvm_mmu_page`. */
export interface X86Roots {
  readonly list: number;
  readonly link: number;
  readonly table: number;
  readonly role: number;
  readonly level: BitField;
  /** Those that mark a root that is not the guest's ordinary one; a kernel may lack some. */
  readonly special: readonly BitField[];
}

/** There are few: one for each kind of CPU state, and those that are going away. */
const MOST_ROOTS = 4096;

/** @throws ERR_NOT_SUPPORTED where KVM's structures are not as expected */
export function x86Roots(layout: StructLayout): X86Roots {
  const page = "kvm_mmu_page";
  return {
    list: layout.offset("kvm", "arch.tdp_mmu_roots"),
    link: layout.offset(page, "link"),
    table: layout.offset(page, "spt"),
    role: layout.offset(page, "role"),
    level: layout.bits(page, "role.level"),
    special: ["role.invalid", "role.smm", "role.guest_mode", "role.is_mirror"].flatMap(
      (path) => layout.bitsOrNull(page, path) ?? [],
    ),
  };
}

/** The root of the TDP MMU that the guest runs on, outside of system management mode; null where there is none. */
export function secondStageRoots(
  { kcore, symbols }: KernelMemory,
  { list, link, table, role, level, special }: X86Roots,
  kvm: bigint,
): SecondStageRoot | null {
  const head = kvm + BigInt(list);
  let next = readStruct(kcore, head, [0]).u64(0);
  // Without the TDP MMU the list was never made: it is all zeros.
  for (let count = 0; next !== head && next !== 0n; count += 1) {
    if (count > MOST_ROOTS) throw new TablesChanged("the list of roots has no end");
    const bytes = readStruct(kcore, next - BigInt(link), [link, table, role]);
    next = bytes.u64(link);
    if (special.some((field) => bytes.bits(field) !== 0)) continue;
    const levels = bytes.bits(level);
    if (levels !== 4 && levels !== 5) throw new TablesChanged(`a root of ${levels} levels is none`);
    const physicalMask = readPhysicalMask(kcore, symbols);
    return {
      physical: kcore.physicalOf(bytes.u64(table)),
      format: x86SecondStageFormat({ levels, ...(physicalMask === null ? {} : { physicalMask }) }),
    };
  }
  return null;
}

/** arm64's: `kvm->arch.mmu.pgt`, a `struct kvm_pgtable`. */
export function armRoot(
  { kcore, kvmLayout, paging, hostFormat }: KernelMemory,
  kvm: bigint,
): SecondStageRoot | null {
  if (kvmLayout === null) return null;
  const at = kvmLayout.offset("kvm", "arch.mmu.pgt");
  const offsets = {
    bits: kvmLayout.offset("kvm_pgtable", "ia_bits"),
    level: kvmLayout.offset("kvm_pgtable", "start_level"),
    root: kvmLayout.offset("kvm_pgtable", "pgd"),
  };
  const tables = readStruct(kcore, kvm, [at]).u64(at);
  if (tables === 0n) return null;
  const bytes = readStruct(kcore, tables, Object.values(offsets));
  const root = bytes.u64(offsets.root);
  if (root === 0n) return null;
  const addressBits = bytes.u32(offsets.bits);
  const start = bytes.i8(offsets.level);
  if (addressBits < 32 || addressBits > 52 || start < -1 || start > 2) {
    throw new TablesChanged("a second stage of that shape is none");
  }
  const pageShift = Math.log2(paging.pageSize);
  // kvm_lpa2_is_enabled(): where the kernel has it for itself.
  const hasLpa2 = hostFormat.addressBits > 48;
  return {
    physical: kcore.physicalOf(root),
    format: arm64Format({ pageShift, addressBits, levels: 4 - start, hasLpa2 }),
  };
}
