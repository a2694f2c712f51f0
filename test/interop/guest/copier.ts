/** The copier as a program of the guest drives it: through BARs that sysfs or VFIO has mapped. */

import assert from "node:assert/strict";

import { type COMMANDS, REGISTERS, STATUS } from "../copier-registers.ts";

/** A mapping of the registers, whoever made it. */
export interface Registers {
  read32(offset: number): number;
  write32(offset: number, value: number): void;
  write64(offset: number, value: bigint): void;
}

const patienceMilliseconds = 10_000;

/** Has the device copy between the memory at `address` and `offset` of BAR 2, and gives its status after that. */
export function copy(
  registers: Registers,
  command: (typeof COMMANDS)["fetch" | "store"],
  { address, offset, length }: { address: bigint; offset: number; length: number },
): number {
  registers.write64(REGISTERS.address, address);
  registers.write32(REGISTERS.offset, offset);
  registers.write32(REGISTERS.length, length);
  registers.write32(REGISTERS.command, command);
  const deadline = Date.now() + patienceMilliseconds;
  for (;;) {
    const status = registers.read32(REGISTERS.status);
    if (status !== STATUS.busy) return status;
    assert.ok(Date.now() < deadline, "the copier does not end its transfer");
  }
}
