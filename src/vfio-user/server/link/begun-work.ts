/** Whether timers, immediates, input or output were begun: Node numbers each of them, and tells the numbers. */

import { AsyncResource } from "node:async_hooks";

export class BegunWork {
  #last = 0;
  #expected = 0;

  /** One thing is begun that does not count. */
  expect(): void {
    this.#expected += 1;
  }

  /** Whether anything was begun since the last call. */
  any(): boolean {
    const number = new AsyncResource("hugebar", { requireManualDestroy: true }).asyncId();
    const others = number - this.#last - 1 - this.#expected;
    this.#last = number;
    this.#expected = 0;
    return others > 0;
  }
}
