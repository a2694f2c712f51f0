/** An array of `struct pollfd` (linux/poll.h), as `poll` takes it; one instance serves a whole thread. */

import type { PollDescriptor } from "./system.ts";

const POLLFD_SIZE = 8;

export class PollSet {
  #view = new DataView(new ArrayBuffer(16 * POLLFD_SIZE));
  #bytes = new Uint8Array(this.#view.buffer);

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  prepare(descriptors: readonly PollDescriptor[]): void {
    const size = descriptors.length * POLLFD_SIZE;
    if (size > this.#bytes.length) {
      this.#view = new DataView(new ArrayBuffer(size));
      this.#bytes = new Uint8Array(this.#view.buffer);
    }
    for (const [index, { fd, events }] of descriptors.entries()) {
      this.#view.setInt32(index * POLLFD_SIZE, fd, true);
      this.#view.setInt16(index * POLLFD_SIZE + 4, events, true);
      this.#view.setInt16(index * POLLFD_SIZE + 6, 0, true);
    }
  }

  /** Fills in each descriptor's `revents`. */
  copyBack(descriptors: readonly PollDescriptor[]): void {
    for (const [index, descriptor] of descriptors.entries()) {
      descriptor.revents = this.#view.getInt16(index * POLLFD_SIZE + 6, true);
    }
  }
}
