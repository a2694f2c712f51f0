/** An x86-64 processor in long mode, over page tables that map 512 GiB by leaves of 1 GiB, which leaves by a halt. */

import { linux } from "../../../../src/system/libc.ts";
import * as kvm from "./abi.ts";
import { LOW, type Parts, type Processor } from "./processor.ts";

const DIRECTORY = LOW.address + 0x1000n;
const PROGRAM = { read: LOW.address + 0x2000n, write: LOW.address + 0x2100n } as const;

/** mov al, [rdi] (or mov [rdi], al); add rdi, rsi; dec rcx; jnz back; hlt */
const READS = [0x8a, 0x07, 0x48, 0x01, 0xf7, 0x48, 0xff, 0xc9, 0x75, 0xf6, 0xf4];
const WRITES = [0x88, 0x07, ...READS.slice(2)];

export function startX86({ device, vm, low }: Parts): Processor {
  const cpu = linux.ioctl(vm, kvm.KVM_CREATE_VCPU, 0);
  copyCpuid(device, cpu);
  writeProgram(low);
  const sregs = Buffer.alloc(312);
  linux.ioctl(cpu, kvm.KVM_GET_SREGS, sregs);
  kvm.enterLongMode(sregs, LOW.address);
  linux.ioctl(cpu, kvm.KVM_SET_SREGS, sregs);
  return {
    cpu,
    exit: kvm.KVM_EXIT_HLT,
    prepare({ guestAddress, step, count, how }) {
      const values = { rcx: BigInt(count), rsi: BigInt(step), rdi: guestAddress, rip: PROGRAM[how] };
      linux.ioctl(cpu, kvm.KVM_SET_REGS, kvm.registers(values));
    },
  };
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
  low.writeBigUInt64LE(DIRECTORY | 7n, 0);
  for (let index = 0; index < 512; index += 1) {
    low.writeBigUInt64LE((BigInt(index) << 30n) | 0x87n, place(DIRECTORY) + 8 * index);
  }
  low.set(READS, place(PROGRAM.read));
  low.set(WRITES, place(PROGRAM.write));
}
