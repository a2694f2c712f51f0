import { HugebarError, type ErrorCode } from "../../errors.ts";

/** After these the connection is given up. */
const GONE: ReadonlySet<ErrorCode> = new Set(["ERR_DISCONNECTED", "ERR_TIMEOUT", "ERR_PROTOCOL"]);

/** The other side is gone, and with it whatever it had: for what is being closed, that counts as closed. */
export function isGone(error: unknown): boolean {
  return error instanceof HugebarError && GONE.has(error.code);
}
