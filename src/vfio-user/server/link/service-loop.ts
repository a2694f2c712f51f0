/**
 * Shares this thread between the sockets of all its devices. An idle socket waits at the doorbell and costs nothing. A
 * busy one is polled right here for a while longer: a client that sends one request after another then waits for two
 * system calls instead of a worker's message, and every ready socket gets one turn per round, so none starves. The event
 * loop's own descriptor is polled with them, and work that was begun meanwhile ends the wait: handlers that wait for
 * input and output go on as soon as it has come.
 */

import { watchDescriptor, type Watch } from "../../../system/doorbell.ts";
import { loopDescriptor } from "../../../system/loop-descriptor.ts";
import { BegunWork } from "./begun-work.ts";
import { EPOLLIN, EPOLLOUT, POLLIN, POLLOUT } from "../../../system/constants.ts";
import { linux } from "../../../system/libc.ts";
import type { PollDescriptor } from "../../../system/system.ts";

/** How long a busy socket is waited for before it goes back to the doorbell: poll(2)'s smallest wait. */
const LINGER_MILLISECONDS = 1;
/** After this long the event loop has its turn: timers, and the handlers' own input and output. */
const SLICE_MILLISECONDS = 1;

/** What the loop serves: a listening socket or a connection. */
export interface Service {
  readonly fd: number;
  /** What to wait for now: POLLIN, POLLOUT, both, or 0 for nothing until `wake`. */
  wants(): number;
  /** Does a bounded piece of work, without waiting. */
  serve(revents: number): void;
}

export interface Serving {
  /** `wants` may have changed. */
  wake(): void;
  /** Ends the serving; must come before the descriptor is closed. Resolves when nothing of it is left. */
  close(): Promise<void>;
}

/** Whether this thread has begun anything that the event loop must carry on. */
const begun = new BegunWork();

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
  begun.expect();
  setImmediate(round);
}

/** The event loop's own descriptor, which is waited for with the sockets; it has no events before it is known. */
const loop: PollDescriptor = { fd: -1, events: POLLIN, revents: 0 };
let sought = false;

/** What was polled last: mostly the same as what is polled next. */
let lastSet: readonly (Entry | typeof loop)[] = [];

/** The busy sockets, and the event loop's descriptor behind them. */
function pollSet(): typeof lastSet {
  let at = 0;
  for (const entry of busy) {
    if (lastSet[at] !== entry) return (lastSet = [...busy, loop]);
    at += 1;
  }
  if (lastSet.length !== at + 1) lastSet = [...busy, loop];
  return lastSet;
}

async function seekLoop(): Promise<void> {
  sought = true;
  const fd = await loopDescriptor();
  if (fd !== null) Object.assign(loop, { fd });
}

function round(): void {
  scheduled = false;
  if (busy.size === 0) return;
  if (!sought) void seekLoop();
  const start = performance.now();
  // What was begun since the last wait has its turn first, be it another immediate.
  let wait = begun.any() ? 0 : LINGER_MILLISECONDS;
  let now = start;
  do {
    const polled = pollSet();
    linux.poll(polled, wait);
    now = performance.now();
    for (const entry of polled) if (entry instanceof Entry && busy.has(entry)) entry.turn(now);
    if (wait === 0 || loop.revents !== 0 || begun.any()) break;
    wait = LINGER_MILLISECONDS;
  } while (busy.size > 0 && now < start + SLICE_MILLISECONDS);
  if (busy.size > 0) schedule();
}
