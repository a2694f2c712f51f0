/** Eventfds that are shared with the other side: to signal one, and to be told when it was signalled. */

import { readlinkSync } from "node:fs";
import { watchDescriptor, type WatchOptions } from "./doorbell.ts";
import { EPOLLIN, F_GETFL, F_SETFL, O_NONBLOCK, POLLOUT } from "./constants.ts";
import { linux } from "./libc.ts";
import { SystemCallError } from "./system.ts";

const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);

/** Anything else might block us when it is written to, or be written to where it should not. */
export function isEventfd(fd: number): boolean {
  return readlinkSync(`/proc/self/fd/${fd}`) === "anon_inode:[eventfd]";
}

/** Adds 1 to its counter. Where 2^64 − 2 signals have piled up, nothing: that must not block us, and nothing is lost. */
export function signalEventfd(fd: number): void {
  if (linux.poll([{ fd, events: POLLOUT, revents: 0 }], 0) === 1) linux.write(fd, ONE);
}

export interface WatchedEventfd {
  /** Ends the watch and closes the eventfd. */
  close(): void;
}

/**
 * Takes over an eventfd and calls `onSignal` in the event loop, which that does not keep alive unless asked to, with how
 * often it was signalled since the last call. It is made non-blocking, for its other holders too: one of them may read it
 * before us.
 *
 * @throws ERR_SYSTEM where it cannot be watched; the eventfd is then the caller's still.
 */
export function watchEventfd(
  fd: number,
  onSignal: (times: number) => void,
  { keepAlive = false }: WatchOptions = {},
): WatchedEventfd {
  linux.fcntl(fd, F_SETFL, linux.fcntl(fd, F_GETFL, 0) | O_NONBLOCK);
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

/** Reads the counter, which sets it to 0. */
function take(fd: number): number {
  const counter = new BigUint64Array(1);
  try {
    linux.read(fd, new Uint8Array(counter.buffer));
  } catch (error) {
    if (error instanceof SystemCallError && error.code === "EAGAIN") return 0;
    throw error;
  }
  return Number(counter[0]);
}
