export interface InterruptEvent {
  readonly vector: number;
  /** How often it was signalled since the last event. */
  readonly signals: number;
}

/**
 * Interrupts that wait to be asked for, one of each vector. Not an async generator's own: that would begin at the first
 * `next()`, and could not be ended while it waits.
 */
export class InterruptSequence<Item> implements AsyncGenerator<Item, void, undefined> {
  readonly #pick: (event: InterruptEvent) => Item;
  readonly #onEnd: () => void;
  readonly #waiting = new Map<number, number>();
  /** Those who asked before there was one. */
  readonly #asking: PromiseWithResolvers<IteratorResult<Item, void>>[] = [];
  #ended = false;
  /** Why the device could not be told of the end, until somebody has been told of that. */
  #failure: { readonly error: unknown } | null = null;

  /** @param onEnd called once, when it ends, whyever */
  constructor(pick: (event: InterruptEvent) => Item, onEnd: () => void) {
    this.#pick = pick;
    this.#onEnd = onEnd;
  }

  add(event: InterruptEvent): void {
    const ask = this.#asking.shift();
    if (ask !== undefined) ask.resolve({ done: false, value: this.#pick(event) });
    else this.#waiting.set(event.vector, (this.#waiting.get(event.vector) ?? 0) + event.signals);
  }

  /** Ends it: whoever waits is told so, and what was not asked for is dropped. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#waiting.clear();
    try {
      this.#onEnd();
    } catch (error) {
      this.#failure = { error };
    }
    for (const ask of this.#asking.splice(0)) ask.resolve(this.#last());
  }

  next(): Promise<IteratorResult<Item, void>> {
    if (this.#ended) return this.#last();
    const [first] = this.#waiting;
    if (first === undefined) {
      const ask = Promise.withResolvers<IteratorResult<Item, void>>();
      this.#asking.push(ask);
      return ask.promise;
    }
    const [vector, signals] = first;
    this.#waiting.delete(vector);
    return Promise.resolve({ done: false, value: this.#pick({ vector, signals }) });
  }

  return(): Promise<IteratorResult<Item, void>> {
    this.end();
    return this.#last();
  }

  async throw(error: unknown): Promise<IteratorResult<Item, void>> {
    this.end();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async #last(): Promise<IteratorResult<Item, void>> {
    const failure = this.#failure;
    this.#failure = null;
    if (failure !== null) throw failure.error;
    return { done: true, value: undefined };
  }
}
