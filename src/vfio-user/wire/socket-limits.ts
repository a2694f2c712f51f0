/** Time limits of blocking sockets. */

import { SO_RCVTIMEO, SO_SNDTIMEO, SOL_SOCKET } from "../../system/constants.ts";
import { struct } from "../../system/struct.ts";
import type { System } from "../../system/system.ts";

/** `struct timeval` of 64-bit machines. */
const TIMEVAL = struct({ tv_sec: "u64", tv_usec: "u64" });

/** Makes blocking calls on the socket fail with EAGAIN after so many milliseconds, a whole number. */
export function limitWaiting(fd: number, milliseconds: number, system: System): void {
  const limit = TIMEVAL.encode({
    tv_sec: BigInt(Math.floor(milliseconds / 1000)),
    tv_usec: BigInt((milliseconds % 1000) * 1000),
  });
  system.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, limit);
  system.setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, limit);
}
