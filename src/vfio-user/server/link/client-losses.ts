/** How a server loses a client in the middle of something, and the errors that the device's author sees of it. */

import { constants } from "node:os";
import { hugebarError, HugebarError } from "../../../errors.ts";
import { SystemCallError } from "../../../system/system.ts";
import { noAnswer } from "../../wire/client-faults.ts";

const { ECONNRESET, EPIPE } = constants.errno;
const action = "serve the client";

/** It hung up while something was under way. */
export function hungUp(problem: string, cause?: unknown): HugebarError {
  return hugebarError("ERR_DISCONNECTED", { action, problem: `it hung up ${problem}` }, cause);
}

/** It sent what no client may send. */
export function brokeProtocol(lie: string): HugebarError {
  return hugebarError("ERR_PROTOCOL", { action, problem: `it broke the protocol: ${lie}` });
}

/** It passed more descriptors along with one message than any may have. */
export function floodedDescriptors(): HugebarError {
  return brokeProtocol("more descriptors with one message than `max_msg_fds` allows");
}

/** It did not answer. */
export function fellSilent(milliseconds: number): HugebarError {
  return hugebarError("ERR_TIMEOUT", { action, problem: noAnswer(milliseconds) });
}

/** Something failed while it was served. */
export function failed(error: unknown): HugebarError {
  if (error instanceof HugebarError) return error;
  if (isHangUp(error)) return hungUp("before it took what was sent to it", error);
  const problem = error instanceof Error ? error.message : String(error);
  return hugebarError("ERR_SYSTEM", { action, problem }, error);
}

/** Its end of the socket is closed: nothing of ours has failed. */
export function isHangUp(error: unknown): boolean {
  return error instanceof SystemCallError && (error.errno === EPIPE || error.errno === ECONNRESET);
}
