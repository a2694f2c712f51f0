/** Memory with a descriptor: what stands for a device's memory where there is no device. */

import { hugebarError } from "../errors.ts";
import {
  F_ADD_SEALS,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
} from "./constants.ts";
import { SystemCallError, type System } from "./system.ts";

/**
 * Creates a sparse memory file: pages cost memory only once they are touched. Its size is sealed, because an access
 * to memory that a peer has cut off is a fatal signal (SIGBUS).
 *
 * @param name what `/proc/PID/maps` shows: `/memfd:NAME`; at most 249 bytes
 * @param size bytes
 * @returns the descriptor, which the caller closes
 * @throws ERR_SYSTEM when the kernel refuses
 */
export function createMemfd(name: string, size: number, system: System): number {
  try {
    const fd = system.memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    try {
      system.ftruncate(fd, size);
      system.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    } catch (error) {
      system.close(fd);
      throw error;
    }
    return fd;
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    const action = `create the memory file ${JSON.stringify(name)} of ${size} bytes`;
    throw hugebarError("ERR_SYSTEM", { action, problem: error.message }, error);
  }
}
