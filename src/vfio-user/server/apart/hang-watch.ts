/** Watching from outside whether an event loop has its turns. */

export class HangWatch {
  readonly #ping: () => void;
  readonly #onHang: () => void;
  readonly #timer: NodeJS.Timeout;
  #answered = true;

  /**
   * Asks at once, and then every so often; what has not answered when it is to be asked again hangs. So it has stood still
   * for `milliseconds` at least, and twice as long at most.
   */
  constructor(milliseconds: number, ping: () => void, onHang: () => void) {
    this.#ping = ping;
    this.#onHang = onHang;
    this.#timer = setInterval(() => this.#look(), milliseconds);
    this.#timer.unref();
    this.#ask();
  }

  pong(): void {
    this.#answered = true;
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #ask(): void {
    this.#answered = false;
    this.#ping();
  }

  #look(): void {
    if (this.#answered) this.#ask();
    // If it was our own event loop that stood still, the answer is here, and has its turn before an immediate.
    else setImmediate(() => this.#judge());
  }

  #judge(): void {
    if (this.#answered) return;
    this.end();
    this.#onHang();
  }
}
