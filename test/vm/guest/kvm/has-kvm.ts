/** KVM in the guest: emulated processors are AMD's, with nested paging. */

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/** Loads KVM where it is a module; whether it is there then. */
export function hasKvm(): boolean {
  if (!existsSync("/dev/kvm")) spawnSync("modprobe", ["kvm_amd"]);
  return existsSync("/dev/kvm");
}
