/**
 * What came in from a stream socket and has not been consumed: messages are taken from the front, bytes are received
 * behind the end.
 */

const INITIAL_SIZE = 64 * 1024;

export class ReceiveBuffer {
  bytes = new Uint8Array(INITIAL_SIZE);
  view = new DataView(this.bytes.buffer);
  /** The first byte not yet consumed, and the first one not yet received. */
  start = 0;
  end = 0;

  /** How many bytes wait to be consumed. */
  get length(): number {
    return this.end - this.start;
  }

  /**
   * The free space behind the end, to receive into: at least so much that `total` bytes can wait. What waits may move
   * to the front.
   */
  space(total: number): Uint8Array {
    if (this.start === this.end) {
      this.start = 0;
      this.end = 0;
    }
    if (this.start + total > this.bytes.length) this.#makeRoom(total);
    return this.end === 0 ? this.bytes : this.bytes.subarray(this.end);
  }

  received(count: number): void {
    this.end += count;
  }

  /** Consumes `count` bytes from the front; views of them stay good until the next call of `space`. */
  consume(count: number): void {
    this.start += count;
  }

  /** Leaves the present bytes to whoever still reads them, and goes on with a copy of what waits. */
  handOver(): void {
    this.#moveTo(new Uint8Array(Math.max(INITIAL_SIZE, this.length)));
  }

  #makeRoom(total: number): void {
    const size = Math.max(this.bytes.length, total);
    this.#moveTo(size === this.bytes.length ? this.bytes : new Uint8Array(size));
  }

  #moveTo(target: Uint8Array<ArrayBuffer>): void {
    const { bytes, start, end } = this;
    if (target === bytes) bytes.copyWithin(0, start, end);
    else target.set(bytes.subarray(start, end));
    this.bytes = target;
    this.view = new DataView(target.buffer);
    this.start = 0;
    this.end = end - start;
  }
}
