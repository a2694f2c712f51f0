/** A device's interrupts: the device signals eventfds, and whoever listens is told in the event loop. */

import { hugebarError, type HugebarError } from "../errors.ts";
import { EFD_CLOEXEC, EFD_NONBLOCK, EPOLLIN } from "../system/constants.ts";
import { SystemCallError, type System } from "../system/system.ts";
import { watchDescriptor, type Watch } from "../system/doorbell.ts";
import type { Transport } from "./transport.ts";
import {
  VFIO_IRQ_INFO_AUTOMASKED,
  VFIO_IRQ_SET_ACTION_MASK,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_ACTION_UNMASK,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE,
  VFIO_PCI_INTX_IRQ_INDEX,
  VFIO_PCI_MSI_IRQ_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
} from "./vfio-abi.ts";

const INDICES = {
  intx: VFIO_PCI_INTX_IRQ_INDEX,
  msi: VFIO_PCI_MSI_IRQ_INDEX,
  msix: VFIO_PCI_MSIX_IRQ_INDEX,
} as const;

/** INTx is one shared level; MSI and MSI-X have vectors of their own. */
export type InterruptKind = keyof typeof INDICES;

export interface InterruptEvent {
  readonly vector: number;
  /** How often it was signalled since the last event. */
  readonly signals: number;
}

/** Ends the listening. A second call does nothing. */
export interface InterruptListener {
  close(): void;
}

/**
 * The interrupts of one kind. Listening takes a vector for itself until its listener is closed; all vectors that are
 * needed are best given at once, since some kernels cannot add to those in use.
 *
 * @example
 * const interrupts = device.interrupts("msix");
 * const listener = interrupts.listen([0, 1], ({ vector }) => console.log(vector));
 * for await (const { vector } of interrupts.events([2])) if (done(vector)) break;
 * listener.close();
 */
export class Interrupts {
  /** How many the device has. */
  readonly count: number;
  /** After each event the vector stays silent until `unmask`: so with INTx, which is a level. */
  readonly automasked: boolean;
  readonly #index: number;
  readonly #name: string;
  readonly #transport: Transport;
  readonly #system: System;
  readonly #taken = new Map<number, Listening>();

  /** @internal */
  constructor(kind: InterruptKind, transport: Transport, system: System) {
    this.#index = INDICES[kind];
    this.#name = `${kind} of ${transport.name}`;
    this.#transport = transport;
    this.#system = system;
    const { count, flags } = transport.irqInfo(this.#index);
    this.count = count;
    this.automasked = (flags & VFIO_IRQ_INFO_AUTOMASKED) !== 0;
  }

  /**
   * Calls `onInterrupt` in this thread's event loop, which stays alive, whenever one of the vectors is raised.
   *
   * @throws ERR_ARGUMENT when there is no such vector; ERR_BUSY when one has a listener; what the transport throws.
   */
  listen(vectors: readonly number[], onInterrupt: (event: InterruptEvent) => void): InterruptListener {
    for (const vector of vectors) this.#check(vector);
    const listening: Listening[] = [];
    try {
      for (const vector of new Set(vectors)) {
        const each = new Listening(vector, onInterrupt, this.#system);
        listening.push(each);
        this.#taken.set(vector, each);
      }
      this.#assign(vectors);
      for (const each of listening) each.start();
    } catch (error) {
      this.#forget(listening);
      throw error;
    }
    return { close: () => this.#end(listening) };
  }

  /**
   * The same as an endless sequence, which ends the listening when it is left. While nobody asks for the next event,
   * the signals of a vector become one, so that no more than one of each vector ever waits.
   */
  async *events(vectors: readonly number[]): AsyncGenerator<InterruptEvent, void, undefined> {
    const waiting = new Map<number, number>();
    let wake = Promise.withResolvers<void>();
    const listener = this.listen(vectors, ({ vector, signals }) => {
      waiting.set(vector, (waiting.get(vector) ?? 0) + signals);
      wake.resolve();
    });
    try {
      for (;;) {
        await wake.promise;
        wake = Promise.withResolvers();
        for (const [vector, signals] of waiting) {
          waiting.delete(vector);
          yield { vector, signals };
        }
      }
    } finally {
      listener.close();
    }
  }

  /** Silences a vector: what is raised meanwhile is told of after `unmask`, once. */
  mask(vector: number): void {
    this.#act(vector, VFIO_IRQ_SET_ACTION_MASK);
  }

  unmask(vector: number): void {
    this.#act(vector, VFIO_IRQ_SET_ACTION_UNMASK);
  }

  /** Raises a vector as if the device had, to try a listener out. */
  trigger(vector: number): void {
    this.#act(vector, VFIO_IRQ_SET_ACTION_TRIGGER);
  }

  /** @internal Ends all listening; the device is being closed. */
  close(): void {
    this.#forget([...this.#taken.values()]);
  }

  #act(vector: number, action: number): void {
    this.#checkRange(vector);
    const flags = VFIO_IRQ_SET_DATA_NONE | action;
    this.#transport.setIrqs({ index: this.#index, flags, start: vector, count: 1 });
  }

  /** Tells the device which eventfds stand for the vectors; where there is none, −1 takes the vector's away. */
  #assign(vectors: readonly number[]): void {
    if (vectors.length === 0) return;
    const start = Math.min(...vectors);
    const count = Math.max(...vectors) - start + 1;
    const eventfds = Array.from({ length: count }, (_, at) => this.#taken.get(start + at)?.eventfd ?? -1);
    const flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    this.#transport.setIrqs({ index: this.#index, flags, start, count, eventfds });
  }

  #end(listening: readonly Listening[]): void {
    const mine = listening.filter((each) => this.#taken.get(each.vector) === each);
    if (mine.length === 0) return;
    this.#forget(mine);
    if (this.#taken.size > 0) this.#assign(mine.map(({ vector }) => vector));
    else {
      const flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
      this.#transport.setIrqs({ index: this.#index, flags, start: 0, count: 0 });
    }
  }

  #forget(listening: readonly Listening[]): void {
    for (const each of listening) {
      this.#taken.delete(each.vector);
      each.close();
    }
  }

  #check(vector: number): void {
    this.#checkRange(vector);
    if (!this.#taken.has(vector)) return;
    const action = `listen to interrupt ${vector} (${this.#name})`;
    throw hugebarError("ERR_BUSY", { action, problem: "something listens to it already" });
  }

  #checkRange(vector: number): void {
    if (Number.isInteger(vector) && vector >= 0 && vector < this.count) return;
    const problem = `the device has ${this.count}`;
    throw hugebarError("ERR_ARGUMENT", { what: `interrupt ${vector} (${this.#name})`, problem });
  }
}

/** One vector's eventfd, and who is told when it is signalled. */
class Listening {
  readonly vector: number;
  readonly eventfd: number;
  readonly #onInterrupt: (event: InterruptEvent) => void;
  readonly #system: System;
  #watch: Watch | null = null;

  constructor(vector: number, onInterrupt: (event: InterruptEvent) => void, system: System) {
    this.vector = vector;
    this.#onInterrupt = onInterrupt;
    this.#system = system;
    try {
      this.eventfd = system.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    } catch (error) {
      throw cannotListen(vector, error);
    }
  }

  start(): void {
    this.#watch = watchDescriptor(this.eventfd, () => this.#take());
    this.#watch.arm(EPOLLIN);
  }

  close(): void {
    void this.#watch?.close();
    this.#watch = null;
    this.#system.close(this.eventfd);
  }

  #take(): void {
    if (this.#watch === null) return;
    const counter = new BigUint64Array(1);
    this.#system.read(this.eventfd, new Uint8Array(counter.buffer));
    this.#watch.arm(EPOLLIN);
    this.#onInterrupt({ vector: this.vector, signals: Number(counter[0]) });
  }
}

function cannotListen(vector: number, error: unknown): unknown {
  if (!(error instanceof SystemCallError)) return error;
  const action = `listen to interrupt ${vector}`;
  return hugebarError("ERR_SYSTEM", { action, problem: error.message }, error) satisfies HugebarError;
}
