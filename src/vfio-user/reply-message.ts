/** The reply that a request's handler writes: a payload behind the header, and descriptors beside it. */

import { VFIO_USER_HEADER } from "./protocol.ts";

const INITIAL_SIZE = 64 * 1024;

export class ReplyMessage {
  #bytes = new Uint8Array(INITIAL_SIZE);
  #size: number = VFIO_USER_HEADER.size;
  #descriptors: readonly number[] = [];

  /** The whole message; its header is still to be filled in. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }

  get descriptors(): readonly number[] {
    return this.#descriptors;
  }

  /** Makes it an empty reply again. */
  clear(): void {
    this.#size = VFIO_USER_HEADER.size;
    this.#descriptors = [];
  }

  /** Makes room for a payload of `size` bytes, whatever stood there before, and returns it to be written. */
  payload(size: number): Uint8Array {
    this.#size = VFIO_USER_HEADER.size + size;
    if (this.#size > this.#bytes.length) this.#bytes = new Uint8Array(this.#size);
    return this.#bytes.subarray(VFIO_USER_HEADER.size, this.#size);
  }

  /** Passes descriptors along; they stay the caller's. */
  pass(...descriptors: readonly number[]): void {
    this.#descriptors = descriptors;
  }
}
