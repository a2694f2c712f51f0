/** Memory with a descriptor: what stands for a device's memory where there is no device. */

import { hugebarError } from "../errors.ts";
import {
  F_ADD_SEALS,
  F_GET_SEALS,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
} from "../system/constants.ts";
import { SystemCallError, type System } from "../system/system.ts";

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

/**
 * Seals a peer's memory file against being cut off under a mapping, which would make an access a fatal signal (SIGBUS).
 * Whether its size is enough is to be looked at behind that: before, the peer could still cut it off in between.
 *
 * @returns false where that cannot be: a file in a file system, a memory file made without MFD_ALLOW_SEALING, or one that
 *   was passed along for reading only
 */
export function sealAgainstShrinking(fd: number, system: System): boolean {
  try {
    if ((system.fcntl(fd, F_GET_SEALS, 0) & F_SEAL_SHRINK) === 0)
      system.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
    return true;
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    return false;
  }
}
