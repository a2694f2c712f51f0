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
import { arch } from "../paging.ts";
import * as kvm from "./abi.ts";
import { startArm64 } from "./processor-arm64.ts";
import { startX86 } from "./processor-x86-64.ts";
import { LOW } from "./processor.ts";

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
  const parts = { device, vm, low: Buffer.from(linux.view(low, LOW.size)) };
  const { cpu, prepare, exit } = arch === "aarch64" ? startArm64(parts) : startX86(parts);
  const runSize = linux.ioctl(device, kvm.KVM_GET_VCPU_MMAP_SIZE, 0);
  const run = linux.mmap(0n, runSize, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
  const runBytes = Buffer.from(linux.view(run, runSize));

  const monitor: Monitor = {
    setSlot,
    touch(guestAddress, step, count, how = "read") {
      prepare({ guestAddress, step, count, how });
      linux.ioctl(cpu, kvm.KVM_RUN, 0);
      assert.equal(runBytes.readUInt32LE(8), exit, "the guest did not come to its end");
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
  monitor.touch(LOW.scratch, 4096, 1);
  monitor.touch(LOW.scratch, 4096, 1, "write");
  return monitor;
}
