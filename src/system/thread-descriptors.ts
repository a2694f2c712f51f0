/**
 * Descriptors that end with their thread. Node closes what a terminated worker has open, but knows only what its own `fs`
 * has opened there (`trackUnmanagedFds`); so the descriptor takes the place of one of these.
 */

import { closeSync, openSync } from "node:fs";
import { SystemCallError } from "./system.ts";

const tied = new Set<number>();

/**
 * Puts a descriptor in the place of one that Node closes with this thread.
 *
 * @param replace dup3() of it onto the one given
 * @param close close() of it, done in any case
 * @returns its new number
 */
export function tie(replace: (onto: number) => void, close: () => void): number {
  try {
    const onto = openSync("/dev/null", "r");
    try {
      replace(onto);
    } catch (error) {
      closeSync(onto);
      throw error;
    }
    tied.add(onto);
    return onto;
  } catch (error) {
    throw systemCallError("open", error);
  } finally {
    close();
  }
}

/** Closes `fd` if it is tied; Node must hear of it, or it would close whatever has the number then. */
export function closeTied(fd: number): boolean {
  if (!tied.delete(fd)) return false;
  try {
    closeSync(fd);
  } catch (error) {
    throw systemCallError("close", error);
  }
  return true;
}

function systemCallError(call: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof SystemCallError || !("errno" in error)) return error;
  return typeof error.errno === "number" ? new SystemCallError(call, -error.errno) : error;
}
