/** Memory with a descriptor: what stands for a device's memory where there is no device. */

import { statfsSync } from "node:fs";
import { hugebarError } from "../errors.ts";
import {
  F_ADD_SEALS,
  F_GET_SEALS,
  F_SEAL_FUTURE_WRITE,
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
      system.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
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
 * Lets nobody add a seal of their own, before the file is passed to others. With `readOnly` nobody can write it either, but
 * through mappings that exist already: a descriptor that was opened for reading can be opened again for writing, by
 * `/proc/self/fd`, and only a seal keeps that out.
 *
 * @returns false where it was sealed before, and others may write it
 */
export function sealForOthers(fd: number, readOnly: boolean, system: System): boolean {
  const seals = system.fcntl(fd, F_GET_SEALS, 0);
  if ((seals & F_SEAL_SEAL) !== 0) return !readOnly || (seals & F_SEAL_FUTURE_WRITE) !== 0;
  system.fcntl(fd, F_ADD_SEALS, readOnly ? F_SEAL_FUTURE_WRITE | F_SEAL_SEAL : F_SEAL_SEAL);
  return true;
}

/** `HUGETLBFS_MAGIC` of linux/magic.h */
const HUGETLBFS_MAGIC = 0x958458f6;

/** Whether it is a memory file, or one in a file system of memory: any other knows no seals. */
export function canBeSealed(fd: number, system: System): boolean {
  try {
    system.fcntl(fd, F_GET_SEALS, 0);
    return true;
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    return false;
  }
}

/**
 * Seals a peer's memory file against being cut off under a mapping, which would make an access a fatal signal (SIGBUS).
 * Whether its size is enough is to be looked at behind that: before, the peer could still cut it off in between.
 *
 * @returns false where that cannot be: a file in a file system, a memory file made without MFD_ALLOW_SEALING, or one that
 *   was passed along for reading only; and for huge pages (hugetlbfs), for which no seal helps: a hole that the peer
 *   punches into the file stays one where no huge page is left for it, and an access is fatal then
 *   (hugetlb_no_page in mm/hugetlb.c)
 */
export function sealAgainstShrinking(fd: number, system: System): boolean {
  try {
    const seals = system.fcntl(fd, F_GET_SEALS, 0);
    if (isHugetlbfs(fd)) return false;
    if ((seals & F_SEAL_SHRINK) === 0) system.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
    return true;
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    return false;
  }
}

/**
 * Whether a peer can take pages away below a mapping of it, so that no look at its size tells what can be touched: huge pages.
 * What cannot be sealed at all can only be cut off, which its size tells.
 */
export function canLoseMappedPages(fd: number, system: System): boolean {
  return canBeSealed(fd, system) && isHugetlbfs(fd);
}

/** To be asked of files that know seals: other file systems may keep us waiting for the answer. */
function isHugetlbfs(fd: number): boolean {
  return statfsSync(`/proc/self/fd/${fd}`).type === HUGETLBFS_MAGIC;
}
