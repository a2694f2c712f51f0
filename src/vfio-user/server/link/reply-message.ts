/** The reply that a request's handler writes: a payload behind the header, and descriptors beside it. */

import { VFIO_USER_HEADER } from "../../wire/protocol.ts";

const INITIAL_SIZE = 64 * 1024;

/** A message of some size, and its payload: two views of the same bytes. */
interface Cut {
  readonly message: Uint8Array;
  readonly payload: Uint8Array;
}

export class ReplyMessage {
  #buffer = new Uint8Array(INITIAL_SIZE);
  readonly #empty = cut(this.#buffer, 0);
  /** The last one with a payload: most replies are as large as the one before, and views cost more than their use. */
  #last = this.#empty;
  #current = this.#empty;
  /** The last data given out: as with the last payload, the next is mostly the same. */
  #data: Uint8Array = this.#empty.payload;
  #descriptors: readonly number[] = [];

  /** The whole message; its header is still to be filled in. */
  get bytes(): Uint8Array {
    return this.#current.message;
  }

  get descriptors(): readonly number[] {
    return this.#descriptors;
  }

  /** Makes it an empty reply again. */
  clear(): void {
    this.#current = this.#empty;
    this.#descriptors = [];
  }

  /** Makes room for a payload of `size` bytes, whatever stood there before, and returns it to be written. */
  payload(size: number): Uint8Array {
    if (size !== this.#last.payload.length) {
      const needed = VFIO_USER_HEADER.size + size;
      if (needed > this.#buffer.length) this.#buffer = new Uint8Array(needed);
      this.#last = cut(this.#buffer, size);
    }
    this.#current = this.#last;
    return this.#current.payload;
  }

  /** What of the payload lies behind its first `size` bytes. */
  dataBehind(size: number): Uint8Array {
    const { payload } = this.#current;
    if (
      this.#data.buffer !== payload.buffer ||
      this.#data.byteOffset !== payload.byteOffset + size ||
      this.#data.length !== payload.length - size
    ) {
      this.#data = payload.subarray(size);
    }
    return this.#data;
  }

  /** Passes descriptors along; they stay the caller's. */
  pass(...descriptors: readonly number[]): void {
    this.#descriptors = descriptors;
  }
}

function cut(buffer: Uint8Array, size: number): Cut {
  const message = buffer.subarray(0, VFIO_USER_HEADER.size + size);
  return { message, payload: message.subarray(VFIO_USER_HEADER.size) };
}
