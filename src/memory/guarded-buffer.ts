/** Buffers that are to stay where they are: what a transfer makes of one is unknown here, and may outlive its memory. */

import { hugebarError } from "../errors.ts";

/**
 * An own `transfer` throws. By force (`ArrayBuffer.prototype.transfer`, as byte streams do it) it works all the same:
 * `worker_threads.markAsUntransferable` would forbid that too, on Node 24.15 and later, and there ends the process as
 * it exits (Node detaches external buffers then, and does not expect to be refused).
 */
const CANNOT_TRANSFER: PropertyDescriptor = {
  value(): never {
    throw hugebarError("ERR_NOT_SUPPORTED", {
      action: "transfer a view of foreign memory",
      problem: "it belongs to its mapping; copy it with slice()",
    });
  },
};
const GUARDS = { transfer: CANNOT_TRANSFER, transferToFixedLength: CANNOT_TRANSFER };

/** Keeps a buffer from being transferred by its methods. Node itself keeps external ones out of messages. */
export function guardBuffer(buffer: ArrayBuffer): ArrayBuffer {
  return Object.defineProperties(buffer, GUARDS);
}
