/**
 * Whether a client is worth waiting for while the rest of a message comes in. All devices of the thread stand still
 * meanwhile, so one that kept us waiting in vain is given nothing for a hundred times as long: however it behaves, it
 * takes a hundredth of the thread's time, and one that was only interrupted in its sending is waited for again.
 */

const SHARE = 100;

export class Patience {
  #from: number;

  /** @param waits whether it is ever waited for */
  constructor(waits: boolean) {
    this.#from = waits ? -Infinity : Infinity;
  }

  /** @param now in milliseconds, by any clock, the same for `lose` */
  has(now: number): boolean {
    return now >= this.#from;
  }

  /** It was waited for since `start`, in vain. */
  lose(start: number, now: number): void {
    this.#from = now + SHARE * (now - start);
  }
}
