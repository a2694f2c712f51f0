/** An array of `struct epoll_event` (linux/eventpoll.h); one instance serves a whole thread. */

export const MOST_EVENTS = 64;

/** Packed on x86-64 alone, so that 32-bit programs have the same layout there. */
const PACKED = process.arch === "x64";
const EVENT_SIZE = PACKED ? 12 : 16;
const DATA_AT = PACKED ? 4 : 8;

export class EpollEvents {
  readonly bytes = new Uint8Array(MOST_EVENTS * EVENT_SIZE);
  readonly #view = new DataView(this.bytes.buffer);

  /** Writes the one event that `epoll_ctl` takes. */
  prepare(events: number, token: number): Uint8Array {
    this.#view.setUint32(0, events, true);
    this.#view.setUint32(DATA_AT, token, true);
    this.#view.setUint32(DATA_AT + 4, 0, true);
    return this.bytes;
  }

  /** The tokens of the `count` events that `epoll_wait` left here. */
  tokens(count: number): number[] {
    return Array.from({ length: count }, (_, index) =>
      this.#view.getUint32(index * EVENT_SIZE + DATA_AT, true),
    );
  }
}
