/** Messages on their way out of a non-blocking socket: what it does not take now waits, in order. */

import { constants } from "node:os";
import { MSG_DONTWAIT, MSG_NOSIGNAL } from "../../../system/constants.ts";
import { linux } from "../../../system/libc.ts";
import { SystemCallError } from "../../../system/system.ts";
import { messagesAreTraced, publishMessage, type TracedSocket } from "../../wire/message-events.ts";
import { OWN_CAPABILITIES } from "../../wire/version.ts";

/** Some of the largest messages there are. */
const FULL_BYTES = 4 * OWN_CAPABILITIES.max_data_xfer_size;

interface Outgoing {
  readonly bytes: Uint8Array;
  readonly descriptors: readonly number[];
}

export class Outbox {
  readonly #fd: number;
  readonly #socket: TracedSocket;
  readonly #waiting: Outgoing[] = [];
  #waitingBytes = 0;

  constructor(fd: number, socket: TracedSocket) {
    this.#fd = fd;
    this.#socket = socket;
  }

  get empty(): boolean {
    return this.#waiting.length === 0;
  }

  /** So much waits already that nothing more should be begun. */
  get full(): boolean {
    return this.#waitingBytes >= FULL_BYTES;
  }

  /** Sends a message; its bytes must stay as they are while it waits. Descriptors stay the caller's, and open as long. */
  send(bytes: Uint8Array, descriptors: readonly number[] = []): void {
    if (messagesAreTraced()) publishMessage(this.#socket, "sent", bytes, descriptors.length);
    // Nearly always the socket takes all of it at once.
    const sent = this.empty ? sendNow(this.#fd, bytes, descriptors) : 0;
    if (sent === bytes.length) return;
    this.#waiting.push(restOf({ bytes, descriptors }, sent));
    this.#waitingBytes += bytes.length - sent;
  }

  /** Sends what the socket takes now. */
  flush(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const sent = sendNow(this.#fd, next.bytes, next.descriptors);
      this.#waitingBytes -= sent;
      if (sent < next.bytes.length) {
        this.#waiting[0] = restOf(next, sent);
        return;
      }
      this.#waiting.shift();
    }
  }
}

/** What is left to send; the descriptors went with the first byte. */
function restOf(message: Outgoing, sent: number): Outgoing {
  return sent === 0 ? message : { bytes: message.bytes.subarray(sent), descriptors: [] };
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
