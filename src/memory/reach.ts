/** Reading memory by the kernel, where an access of this process's own may end it. */

import { FUTEX_PRIVATE_FLAG, FUTEX_WAIT } from "../system/constants.ts";
import { SystemCallError, type System } from "../system/system.ts";

/** `struct timespec`: not to wait at all. */
const AT_ONCE = new BigInt64Array(2);

/**
 * Has the kernel read the four bytes at `address`, a multiple of 4, in one access: by futex(2), which compares them with a value
 * (kernel/futex/core.c, get_user). A page that is not there yet is brought in as for an access of the process's own; what would
 * be a SIGBUS or a SIGSEGV then is an answer here.
 *
 * @returns whether there was something to read
 */
export function reach(system: System, address: bigint): boolean {
  try {
    system.futex(address, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, AT_ONCE);
    return true;
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    if (error.code === "EFAULT") return false;
    // It has another value than 0; or it is 0, and the time is over.
    if (error.code === "EAGAIN" || error.code === "ETIMEDOUT") return true;
    throw error;
  }
}
