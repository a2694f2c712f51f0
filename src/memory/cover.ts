/** Harmless memory in the place of what was mapped. */

import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_READ,
  PROT_WRITE,
} from "../system/constants.ts";
import { HugebarError } from "../errors.ts";
import { createMemfd } from "./memfd.ts";
import { SystemCallError, type System } from "../system/system.ts";

/**
 * Puts memory of its own over a range that this process has mapped: whoever still reaches it reads zeros, and what is
 * written there is nobody's. It takes up no memory before it is written.
 *
 * @returns false where the kernel refuses: what was there is there still
 */
export function cover(address: bigint, size: number, system: System): boolean {
  return coverAnonymously(address, size, system) || coverByFile(address, size, system);
}

function coverAnonymously(address: bigint, size: number, system: System): boolean {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
  try {
    system.mmap(address, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    return true;
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    return false;
  }
}

/**
 * A sparse file is accounted page by page, where anonymous memory is promised whole (vm.overcommit_memory 2, ulimit -d).
 * Before Linux 6.12 the refusal above leaves a hole (mm/mmap.c, mmap_region), which this fills.
 */
function coverByFile(address: bigint, size: number, system: System): boolean {
  try {
    const fd = createMemfd("hugebar-closed", size, system);
    try {
      system.mmap(address, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0);
    } finally {
      system.close(fd);
    }
    return true;
  } catch (error) {
    if (!(error instanceof SystemCallError) && !(error instanceof HugebarError)) throw error;
    return false;
  }
}
