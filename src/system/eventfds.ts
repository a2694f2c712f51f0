/** Eventfds that are shared with the other side: to be told when one was signalled. */

import { readlinkSync } from "node:fs";
import { constants } from "node:os";
import { watchDescriptor, type WatchOptions } from "./doorbell.ts";
import { EPOLLIN, F_GETFL, F_SETFL, O_NONBLOCK, RWF_NOWAIT } from "./constants.ts";
import { linux } from "./libc.ts";
import { SystemCallError } from "./system.ts";

const NOT_THERE: ReadonlySet<number> = new Set([constants.errno.EOPNOTSUPP, constants.errno.ENOSYS]);

/** Anything else might block us when it is written to, or be written to where it should not. */
export function isEventfd(fd: number): boolean {
  return readlinkSync(`/proc/self/fd/${fd}`) === "anon_inode:[eventfd]";
}

export interface WatchedEventfd {
  /** Ends the watch and closes the eventfd. */
  close(): void;
}

/**
 * Takes over an eventfd and calls `onSignal` in the event loop, which that does not keep alive unless asked to, with how
 * often it was signalled since the last call. Another holder may read it before us.
 *
 * @throws ERR_SYSTEM where it cannot be watched; the eventfd is then the caller's still.
 */
export function watchEventfd(
  fd: number,
  onSignal: (times: number) => void,
  { keepAlive = false }: WatchOptions = {},
): WatchedEventfd {
  let closed = false;
  const watch = watchDescriptor(
    fd,
    () => {
      if (closed) return;
      const times = take(fd);
      watch.arm(EPOLLIN);
      if (times > 0) onSignal(times);
    },
    { keepAlive },
  );
  watch.arm(EPOLLIN);
  return {
    close() {
      if (closed) return;
      closed = true;
      void watch.close();
      linux.close(fd);
    },
  };
}

/**
 * Reads the counter, which sets it to 0; 0 where another holder was faster. It never waits: O_NONBLOCK would be the file's,
 * and another holder could clear it.
 */
export function take(fd: number): number {
  const counter = new BigUint64Array(1);
  try {
    readNow(fd, new Uint8Array(counter.buffer));
  } catch (error) {
    if (error instanceof SystemCallError && error.code === "EAGAIN") return 0;
    throw error;
  }
  return Number(counter[0]);
}

function readNow(fd: number, target: Uint8Array): void {
  try {
    linux.preadv2(fd, target, RWF_NOWAIT);
  } catch (error) {
    if (!(error instanceof SystemCallError) || !NOT_THERE.has(error.errno)) throw error;
    // Before Linux 5.8: only a holder that reads it between the two calls, and clears the flag, makes us wait.
    linux.fcntl(fd, F_SETFL, linux.fcntl(fd, F_GETFL, 0) | O_NONBLOCK);
    linux.read(fd, target);
  }
}
