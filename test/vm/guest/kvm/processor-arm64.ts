/** An arm64 processor without an interrupt controller, its own translation off, which leaves by a store where no memory is. */

import { linux } from "../../../../src/system/libc.ts";
import * as kvm from "./abi.ts";
import { LOW, type Parts, type Processor } from "./processor.ts";

const PROGRAM = { read: LOW.address + 0x2000n, write: LOW.address + 0x2100n } as const;

/** No slot has it. */
const NOWHERE = 0x1000n;

/**
 * nop; ldrb w3, [x0]; add x0, x0, x1; subs x2, x2, #1; b.ne back; str wzr, [x4]; b .
 *
 * KVM steps over the store when the processor is run again, wherever its registers then point: that takes the nop.
 */
const READS = [0xd503201f, 0x39400003, 0x8b010000, 0xf1000442, 0x54ffffa1, 0xb900009f, 0x14000000];
/** The same with strb w3, [x0]. */
const WRITES = READS.with(1, 0x39000003);

export function startArm64({ vm, low }: Parts): Processor {
  const cpu = linux.ioctl(vm, kvm.KVM_CREATE_VCPU, 0);
  const init = Buffer.alloc(32);
  linux.ioctl(vm, kvm.KVM_ARM_PREFERRED_TARGET, init);
  linux.ioctl(cpu, kvm.KVM_ARM_VCPU_INIT, init);
  for (const [program, at] of [
    [READS, PROGRAM.read],
    [WRITES, PROGRAM.write],
  ] as const) {
    program.forEach((instruction, index) =>
      low.writeUInt32LE(instruction, Number(at - LOW.address) + 4 * index),
    );
  }
  return {
    cpu,
    exit: kvm.KVM_EXIT_MMIO,
    prepare({ guestAddress, step, count, how }) {
      const values = [guestAddress, BigInt(step), BigInt(count), 0n, NOWHERE];
      for (const [register, value] of [...values.entries(), [kvm.PC, PROGRAM[how]] as const]) {
        const bytes = Buffer.alloc(8);
        bytes.writeBigUInt64LE(value);
        linux.ioctl(cpu, kvm.KVM_SET_ONE_REG, kvm.oneRegister(register, linux.addressOf(bytes)));
      }
    },
  };
}
