/** Messages on their way out of a non-blocking socket: what it does not take now waits, in order. */

import { constants } from "node:os";
import { MSG_DONTWAIT, MSG_NOSIGNAL } from "../memory/constants.ts";
import { linux } from "../memory/libc.ts";
import { SystemCallError } from "../memory/system.ts";

export class Outbox {
  readonly #fd: number;
  #waiting: { bytes: Uint8Array; descriptors: readonly number[] }[] = [];

  constructor(fd: number) {
    this.#fd = fd;
  }

  get empty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Sends a message; its bytes must stay as they are while it waits. Descriptors stay the caller's, and open as long. */
  send(bytes: Uint8Array, descriptors: readonly number[] = []): void {
    this.#waiting.push({ bytes, descriptors });
    if (this.#waiting.length === 1) this.flush();
  }

  /** Sends what the socket takes now. */
  flush(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const sent = sendNow(this.#fd, next.bytes, next.descriptors);
      if (sent === next.bytes.length) this.#waiting.shift();
      else if (sent === 0) return;
      else {
        // The descriptors went with the first byte.
        next.bytes = next.bytes.subarray(sent);
        next.descriptors = [];
      }
    }
  }
}

function sendNow(fd: number, bytes: Uint8Array, descriptors: readonly number[]): number {
  try {
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    return descriptors.length === 0
      ? linux.send(fd, bytes, flags)
      : linux.sendmsg(fd, [bytes], descriptors, flags);
  } catch (error) {
    if (error instanceof SystemCallError && error.errno === constants.errno.EAGAIN) return 0;
    throw error;
  }
}
