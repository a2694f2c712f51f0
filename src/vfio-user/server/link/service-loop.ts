/**
 * Shares this thread between the sockets of all its devices. An idle socket waits at the doorbell and costs nothing. A
 * busy one is polled right here for a while longer: a client that sends one request after another then waits for two
 * system calls instead of a worker's message, and every ready socket gets one turn per round, so none starves.
 */

import { watchDescriptor, type Watch } from "../../../system/doorbell.ts";
import { EPOLLIN, EPOLLOUT, POLLIN, POLLOUT } from "../../../system/constants.ts";
import { linux } from "../../../system/libc.ts";
import type { PollDescriptor } from "../../../system/system.ts";

/** How long a busy socket is waited for before it goes back to the doorbell: poll(2)'s smallest wait. */
export const LINGER_MILLISECONDS = 1;
/** After this long the event loop has its turn: timers, and the handlers' own input and output. */
const SLICE_MILLISECONDS = 1;

/** What the loop serves: a listening socket or a connection. */
export interface Service {
  readonly fd: number;
  /** What to wait for now: POLLIN, POLLOUT, both, or 0 for nothing until `wake`. */
  wants(): number;
  /** Does a bounded piece of work, without waiting. */
  serve(revents: number): void;
  /**
   * Waits for input, for LINGER_MILLISECONDS or as near as the kernel's timer comes, and serves it; false when nothing
   * came. A socket that is busy alone is spared poll(2) so, a third of what a request costs.
   */
  waitAndServe?(): boolean;
}

export interface Serving {
  /** `wants` may have changed. */
  wake(): void;
  /** Ends the serving; must come before the descriptor is closed. Resolves when nothing of it is left. */
  close(): Promise<void>;
}

/** The sockets in use right now; the others wait at the doorbell. One set for the thread, so that they share it. */
const busy = new Set<Entry>();
let scheduled = false;

/** Serves `service` until the result is closed. */
export function serve(service: Service): Serving {
  const entry = new Entry(service);
  entry.rest();
  return entry;
}

class Entry implements Serving, PollDescriptor {
  readonly fd: number;
  events = 0;
  revents = 0;
  readonly #service: Service;
  readonly #watch: Watch;
  #lastServed = 0;
  #closed = false;

  constructor(service: Service) {
    this.fd = service.fd;
    this.#service = service;
    this.#watch = watchDescriptor(service.fd, () => this.#becomeBusy());
  }

  wake(): void {
    this.#becomeBusy();
  }

  async close(): Promise<void> {
    this.#closed = true;
    busy.delete(this);
    await this.#watch.close();
  }

  /** Goes back to the doorbell. */
  rest(): void {
    busy.delete(this);
    const wanted = this.#service.wants();
    const events = ((wanted & POLLIN) === 0 ? 0 : EPOLLIN) | ((wanted & POLLOUT) === 0 ? 0 : EPOLLOUT);
    if (events !== 0) this.#watch.arm(events);
  }

  /** Takes its turn after a poll; `now` tells how long it has had nothing to do. */
  turn(now: number): void {
    if (this.revents !== 0) {
      this.#lastServed = now;
      this.#service.serve(this.revents);
    } else if (now - this.#lastServed >= LINGER_MILLISECONDS) {
      this.rest();
      return;
    }
    this.#update();
  }

  /** Takes its turn without a poll, as the only busy one; false where it cannot. */
  turnAlone(now: number): boolean {
    if (this.events !== POLLIN || this.#service.waitAndServe === undefined) return false;
    if (this.#service.waitAndServe()) {
      this.#lastServed = now;
      this.#update();
    } else {
      this.rest();
    }
    return true;
  }

  #becomeBusy(): void {
    if (this.#closed) return;
    this.#lastServed = performance.now();
    busy.add(this);
    this.#update();
    if (busy.size > 0 && !scheduled) schedule();
  }

  #update(): void {
    this.events = this.#service.wants();
    if (this.events === 0) busy.delete(this);
  }
}

function schedule(): void {
  scheduled = true;
  setImmediate(round);
}

function round(): void {
  scheduled = false;
  const start = performance.now();
  for (let now = start; busy.size > 0 && now < start + SLICE_MILLISECONDS; now = performance.now()) {
    if (busy.size === 1) {
      const [alone] = busy;
      if (alone?.turnAlone(now) === true) continue;
    }
    const entries = [...busy];
    linux.poll(entries, LINGER_MILLISECONDS);
    const served = performance.now();
    for (const entry of entries) if (busy.has(entry)) entry.turn(served);
  }
  if (busy.size > 0) schedule();
}
