/** Errors as replies: what a handler throws becomes the errno of its request's reply. */

import { constants } from "node:os";
import { errnoName } from "../../system/system.ts";

/**
 * Thrown by a device's handler to answer a request with this errno (`os.constants.errno`). Any other error a handler
 * throws answers EIO, unless it carries an errno itself as the errors of system calls do.
 */
export class DeviceError extends Error {
  readonly errno: number;

  constructor(errno: number, message: string = errnoName(errno)) {
    super(message);
    this.name = "DeviceError";
    this.errno = errno;
  }
}

/** The errno to answer with; Node's own errors carry it negated. */
export function errnoOf(error: unknown): number {
  if (error instanceof Error && "errno" in error && typeof error.errno === "number" && error.errno !== 0) {
    return Math.abs(error.errno);
  }
  return constants.errno.EIO;
}
