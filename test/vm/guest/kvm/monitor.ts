/**
 * A virtual machine monitor of a few lines, for shapes that QEMU does not make: one processor, memory slots wherever the
 * test wants them, and a guest that reads, or writes, every so many bytes.
 */

import assert from "node:assert/strict";

import {
  MAP_ANONYMOUS,
  MAP_SHARED,
  O_RDWR,
  PROT_READ,
  PROT_WRITE,
} from "../../../../src/system/constants.ts";
import { linux } from "../../../../src/system/libc.ts";
import * as kvm from "./abi.ts";

/** Low memory: page tables, one that maps 512 GiB by leaves of 1 GiB, and the program. */
const LOW = { address: 0x1_0000n, size: 0x1_0000, directory: 0x1_1000n, program: 0x1_2000n };

/** mov al, [rdi] (or mov [rdi], al); add rdi, rsi; dec rcx; jnz back; hlt */
const READS = [0x8a, 0x07, 0x48, 0x01, 0xf7, 0x48, 0xff, 0xc9, 0x75, 0xf6, 0xf4];
const WRITES = [0x88, 0x07, ...READS.slice(2)];

export interface Slot {
  readonly guestAddress: bigint;
  readonly size: number;
  readonly hostAddress: bigint;
  readonly flags?: number;
}

export interface Monitor {
  /** Gives the guest a slot, changes one, or with a size of 0 takes it away; the number is the test's own. */
  setSlot(number: number, slot: Slot): void;
  /** Has the guest touch `count` addresses, `step` apart. */
  touch(guestAddress: bigint, step: number, count: number, how?: "read" | "write"): void;
  close(): void;
}

/** Makes a virtual machine; it belongs to this process. */
export function startMonitor(): Monitor {
  const device = linux.open("/dev/kvm", O_RDWR);
  const vm = linux.ioctl(device, kvm.KVM_CREATE_VM, 0);
  const low = linux.mmap(0n, LOW.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  const setSlot = (slot: number, { guestAddress, size, hostAddress, flags = 0 }: Slot): void => {
    const region = kvm.memoryRegion({ slot, flags, guestAddress, size, hostAddress });
    linux.ioctl(vm, kvm.KVM_SET_USER_MEMORY_REGION, region);
  };
  setSlot(0, { guestAddress: LOW.address, size: LOW.size, hostAddress: low });
  const cpu = linux.ioctl(vm, kvm.KVM_CREATE_VCPU, 0);
  copyCpuid(device, cpu);
  const runSize = linux.ioctl(device, kvm.KVM_GET_VCPU_MMAP_SIZE, 0);
  const run = linux.mmap(0n, runSize, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
  const runBytes = Buffer.from(linux.view(run, runSize));
  writeProgram(Buffer.from(linux.view(low, LOW.size)));
  const sregs = Buffer.alloc(312);
  linux.ioctl(cpu, kvm.KVM_GET_SREGS, sregs);
  kvm.enterLongMode(sregs, LOW.address);
  linux.ioctl(cpu, kvm.KVM_SET_SREGS, sregs);

  const monitor: Monitor = {
    setSlot,
    touch(guestAddress, step, count, how = "read") {
      const rip = LOW.program + (how === "read" ? 0n : 0x100n);
      const values = { rcx: BigInt(count), rsi: BigInt(step), rdi: guestAddress, rip };
      linux.ioctl(cpu, kvm.KVM_SET_REGS, kvm.registers(values));
      linux.ioctl(cpu, kvm.KVM_RUN, 0);
      assert.equal(runBytes.readUInt32LE(8), kvm.KVM_EXIT_HLT, "the guest did not come to its end");
    },
    close() {
      linux.munmap(run, runSize);
      linux.close(cpu);
      linux.close(vm);
      linux.close(device);
      linux.munmap(low, LOW.size);
    },
  };
  // Once without the device, so that the leaves of its own memory are there before anything is counted.
  monitor.touch(LOW.address + 0x3000n, 4096, 1);
  monitor.touch(LOW.address + 0x3000n, 4096, 1, "write");
  return monitor;
}

/** The guest's processor has all that KVM can give it: leaves of 1 GiB among it. */
function copyCpuid(device: number, cpu: number): void {
  const entries = 256;
  const cpuid = Buffer.alloc(8 + 40 * entries);
  cpuid.writeUInt32LE(entries, 0);
  linux.ioctl(device, kvm.KVM_GET_SUPPORTED_CPUID, cpuid);
  linux.ioctl(cpu, kvm.KVM_SET_CPUID2, cpuid);
}

function writeProgram(low: Buffer): void {
  const place = (address: bigint): number => Number(address - LOW.address);
  low.writeBigUInt64LE(LOW.directory | 7n, 0);
  for (let index = 0; index < 512; index += 1) {
    low.writeBigUInt64LE((BigInt(index) << 30n) | 0x87n, place(LOW.directory) + 8 * index);
  }
  low.set(READS, place(LOW.program));
  low.set(WRITES, place(LOW.program) + 0x100);
}
