/** What can go wrong between a client and its server, and the errors that users see of it. */

import { constants } from "node:os";
import { hugebarError, HugebarError } from "../../errors.ts";
import { SystemCallError } from "../../system/system.ts";

const { EAGAIN, ECONNRESET, EPIPE } = constants.errno;

/** The server has not answered in time. */
export class TimeUp extends Error {}
/** The server has closed its end. */
export class HangUp extends Error {}
/** A message that no server may send. */
export class Lie extends Error {}

/** The error of `action`, which failed so. */
export function clientError(fault: unknown, action: () => string, milliseconds: number): HugebarError {
  if (fault instanceof HugebarError) return fault;
  if (fault instanceof TimeUp || isErrno(fault, EAGAIN)) {
    return hugebarError("ERR_TIMEOUT", { action: action(), problem: noAnswer(milliseconds) }, causeOf(fault));
  }
  if (fault instanceof HangUp || isErrno(fault, EPIPE) || isErrno(fault, ECONNRESET)) {
    return disconnected(action, "the server hung up", causeOf(fault));
  }
  if (fault instanceof Lie) return brokenProtocol(action, fault.message);
  if (fault instanceof SystemCallError) {
    return hugebarError("ERR_SYSTEM", { action: action(), problem: fault.message }, fault);
  }
  throw fault;
}

/** What is wrong when the other side has said nothing for so long. */
export function noAnswer(milliseconds: number): string {
  return `no answer within ${milliseconds} ms`;
}

/** The error of a reply that cannot be true, though the stream is whole: the connection stays good. */
export function brokenProtocol(action: () => string, lie: string): HugebarError {
  const problem = `the server broke the protocol: ${lie}`;
  return hugebarError("ERR_PROTOCOL", { action: action(), problem });
}

export function disconnected(action: () => string, problem: string, cause?: unknown): HugebarError {
  return hugebarError("ERR_DISCONNECTED", { action: action(), problem }, cause);
}

export function isErrno(error: unknown, errno: number): boolean {
  return error instanceof SystemCallError && error.errno === errno;
}

function causeOf(error: unknown): unknown {
  return error instanceof SystemCallError ? error : undefined;
}
