/** What /dev/kvm takes and gives (include/uapi/linux/kvm.h, arch/{x86,arm64}/include/uapi/asm/kvm.h), as far as `monitor.ts` needs it. */

export const KVM_CREATE_VM = 0xae01;
export const KVM_GET_VCPU_MMAP_SIZE = 0xae04;
export const KVM_GET_SUPPORTED_CPUID = 0xc008ae05;
export const KVM_CREATE_VCPU = 0xae41;
export const KVM_SET_USER_MEMORY_REGION = 0x4020ae46;
export const KVM_RUN = 0xae80;
export const KVM_SET_REGS = 0x4090ae82;
export const KVM_GET_SREGS = 0x8138ae83;
export const KVM_SET_SREGS = 0x4138ae84;
export const KVM_SET_CPUID2 = 0x4008ae90;
export const KVM_SET_ONE_REG = 0x4010aeac;
export const KVM_ARM_VCPU_INIT = 0x4020aeae;
export const KVM_ARM_PREFERRED_TARGET = 0x8020aeaf;

export const KVM_MEM_LOG_DIRTY_PAGES = 1;
export const KVM_MEM_READONLY = 2;
export const KVM_EXIT_HLT = 5;
export const KVM_EXIT_MMIO = 6;

/** arm64's program counter, beside the general registers 0 to 30 (`struct user_pt_regs`). */
export const PC = 32;

/** `struct kvm_userspace_memory_region` */
export function memoryRegion(region: {
  readonly slot: number;
  readonly flags: number;
  readonly guestAddress: bigint;
  readonly size: number;
  readonly hostAddress: bigint;
}): Uint8Array {
  const bytes = Buffer.alloc(32);
  bytes.writeUInt32LE(region.slot, 0);
  bytes.writeUInt32LE(region.flags, 4);
  bytes.writeBigUInt64LE(region.guestAddress, 8);
  bytes.writeBigUInt64LE(BigInt(region.size), 16);
  bytes.writeBigUInt64LE(region.hostAddress, 24);
  return bytes;
}

/** `struct kvm_regs`, all zero but these. */
export function registers(values: {
  readonly rcx: bigint;
  readonly rsi: bigint;
  readonly rdi: bigint;
  readonly rip: bigint;
}): Uint8Array {
  const bytes = Buffer.alloc(18 * 8);
  bytes.writeBigUInt64LE(values.rcx, 2 * 8);
  bytes.writeBigUInt64LE(values.rsi, 4 * 8);
  bytes.writeBigUInt64LE(values.rdi, 5 * 8);
  bytes.writeBigUInt64LE(values.rip, 16 * 8);
  bytes.writeBigUInt64LE(2n, 17 * 8);
  return bytes;
}

/** Turns `struct kvm_sregs` into that of a processor in long mode with page tables at `cr3`. */
export function enterLongMode(sregs: Buffer, cr3: bigint): void {
  const segment = (index: number, selector: number, type: number, isCode: boolean): void => {
    const at = index * 24;
    sregs.writeBigUInt64LE(0n, at);
    sregs.writeUInt32LE(0xffff_ffff, at + 8);
    sregs.writeUInt16LE(selector, at + 12);
    // type, present, dpl, db, s, l, g, avl
    sregs.set([type, 1, 0, isCode ? 0 : 1, 1, isCode ? 1 : 0, 1, 0, 0, 0], at + 14);
  };
  segment(0, 8, 11, true);
  for (const index of [1, 2, 3, 4, 5]) segment(index, 16, 3, false);
  const control = 6 * 24 + 2 * 24 + 2 * 16;
  sregs.writeBigUInt64LE(0x8005_0033n, control);
  sregs.writeBigUInt64LE(cr3, control + 16);
  sregs.writeBigUInt64LE(0x20n, control + 24);
  // EFER: LME and LMA
  sregs.writeBigUInt64LE(0x500n, control + 40);
}

/** `struct kvm_one_reg` of arm64's, for a register of `struct kvm_regs` whose 64 bits stand at an address. */
export function oneRegister(register: number, address: bigint): Uint8Array {
  const bytes = Buffer.alloc(16);
  // KVM_REG_ARM64, KVM_REG_SIZE_U64, KVM_REG_ARM_CORE; the index counts words of 32 bits.
  bytes.writeBigUInt64LE(0x6030_0000_0010_0000n + BigInt(2 * register), 0);
  bytes.writeBigUInt64LE(address, 8);
  return bytes;
}
