/** KVM in the guest: emulated x86-64 processors are AMD's, with nested paging; arm64's start at EL2, and KVM is built in. */

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/** Loads KVM where it is a module; whether it is there then. */
export function hasKvm(): boolean {
  if (!existsSync("/dev/kvm")) spawnSync("modprobe", ["kvm_amd"]);
  return existsSync("/dev/kvm");
}
