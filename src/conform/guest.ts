/**
 * A virtual machine of KVM without a program: one processor, one memory slot, whose second stage the kernel fills when it is
 * asked to (Documentation/virt/kvm/api.rst, 4.143 KVM_PRE_FAULT_MEMORY), as it does when a guest touches the memory.
 */

import { O_RDWR } from "../system/constants.ts";
import { struct } from "../system/struct.ts";
import { type System, SystemCallError } from "../system/system.ts";

// include/uapi/linux/kvm.h
const KVM_CREATE_VM = 0xae01;
const KVM_CHECK_EXTENSION = 0xae03;
const KVM_CREATE_VCPU = 0xae41;
const KVM_SET_USER_MEMORY_REGION = 0x4020ae46;
const KVM_PRE_FAULT_MEMORY = 0xc040aed5;
const KVM_CAP_PRE_FAULT_MEMORY = 236;

/** `struct kvm_userspace_memory_region` */
const MEMORY_REGION = struct({
  slot: "u32",
  flags: "u32",
  guest_phys_addr: "u64",
  memory_size: "u64",
  userspace_addr: "u64",
});

/** `struct kvm_pre_fault_memory`; five words more are kept free. */
const PRE_FAULT_MEMORY = struct({ gpa: "u64", size: "u64", flags: "u64" });
const PRE_FAULT_PADDING = 5 * 8;

/** What the guest has, and where. */
export interface GuestMemory {
  readonly guestAddress: bigint;
  readonly hostAddress: bigint;
  readonly size: number;
}

/** What keeps the guest; ends it. */
export interface Guest {
  close(): void;
}

/**
 * A guest whose memory the kernel has mapped. One for each piece of memory: where a slot was taken away, kernels were seen (6.12.117)
 * to try for ever to fill the second stage of before.
 *
 * @returns why there is none, where there is none
 */
export function createGuest(system: System, memory: GuestMemory): Guest | string {
  let kvm: number;
  try {
    kvm = system.open("/dev/kvm", O_RDWR);
  } catch (error) {
    if (error instanceof SystemCallError) return `/dev/kvm cannot be opened (${error.code})`;
    throw error;
  }
  const opened = [kvm];
  const close = (): void => {
    for (const fd of opened.splice(0).reverse()) system.close(fd);
  };
  try {
    if (system.ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_PRE_FAULT_MEMORY) === 0) {
      close();
      return "this KVM has no KVM_PRE_FAULT_MEMORY: Linux 6.11 and newer have it, on x86-64";
    }
    const machine = system.ioctl(kvm, KVM_CREATE_VM, 0);
    opened.push(machine);
    setSlot(system, machine, memory);
    const processor = system.ioctl(machine, KVM_CREATE_VCPU, 0);
    opened.push(processor);
    preFault(system, processor, memory);
    return { close };
  } catch (error) {
    close();
    if (error instanceof SystemCallError) return `KVM makes no such virtual machine (${error.message})`;
    throw error;
  }
}

function setSlot(system: System, machine: number, { guestAddress, hostAddress, size }: GuestMemory): void {
  const region = { guest_phys_addr: guestAddress, memory_size: BigInt(size), userspace_addr: hostAddress };
  system.ioctl(machine, KVM_SET_USER_MEMORY_REGION, MEMORY_REGION.encode(region));
}

function preFault(system: System, processor: number, { guestAddress, size }: GuestMemory): void {
  const asked = PRE_FAULT_MEMORY.encode({ gpa: guestAddress, size: BigInt(size) }, PRE_FAULT_PADDING);
  // It says how far it has come, for it may be interrupted.
  while (PRE_FAULT_MEMORY.decode(asked).size > 0n) system.ioctl(processor, KVM_PRE_FAULT_MEMORY, asked);
}
