/** A device's interrupts: the device signals eventfds, and whoever listens is told in the event loop. */

import { hugebarError } from "../../errors.ts";
import { closeEach } from "../../system/closing.ts";
import { EFD_CLOEXEC, EFD_NONBLOCK } from "../../system/constants.ts";
import { watchEventfd, type WatchedEventfd } from "../../system/eventfds.ts";
import { SystemCallError, type System } from "../../system/system.ts";
import { requireFunction, requireOptions, requireWord, unusable } from "../../arguments.ts";
import { isGone } from "../transport/gone.ts";
import { type InterruptEvent, InterruptSequence } from "./interrupt-sequence.ts";
import type { Transport } from "../transport/transport.ts";
import {
  VFIO_IRQ_INFO_AUTOMASKED,
  VFIO_IRQ_SET_ACTION_MASK,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_ACTION_UNMASK,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE,
  VFIO_PCI_ERR_IRQ_INDEX,
  VFIO_PCI_INTX_IRQ_INDEX,
  VFIO_PCI_MSI_IRQ_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
  VFIO_PCI_REQ_IRQ_INDEX,
} from "../transport/vfio-abi.ts";

const INDICES = {
  intx: VFIO_PCI_INTX_IRQ_INDEX,
  msi: VFIO_PCI_MSI_IRQ_INDEX,
  msix: VFIO_PCI_MSIX_IRQ_INDEX,
  err: VFIO_PCI_ERR_IRQ_INDEX,
  req: VFIO_PCI_REQ_IRQ_INDEX,
} as const;

/**
 * INTx is one shared level; MSI and MSI-X have vectors of their own. `err` tells of an error that the machine saw on the
 * way to the device (AER), `req` that the device is wanted back: it is to be closed soon, for who asked waits.
 */
export type InterruptKind = keyof typeof INDICES;
const KINDS: readonly InterruptKind[] = ["intx", "msi", "msix", "err", "req"];

/** Ends the listening. A second call does nothing. */
export interface InterruptListener {
  close(): void;
  [Symbol.dispose](): void;
}

export interface InterruptSequenceOptions {
  /** Ends the sequence, as leaving it does. */
  readonly signal?: AbortSignal;
}

/**
 * The interrupts of one kind. Listening takes a vector for itself until its listener is closed; all vectors that are
 * needed are best given at once, since some kernels cannot add to those in use.
 *
 * @example
 * const interrupts = device.interrupts("msix");
 * const listener = interrupts.listen([0, 1], ({ vector }) => console.log(vector));
 * for await (const times of interrupts.events(2, { signal })) console.log(times);
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
  readonly #sequences = new Set<{ end(): void }>();

  /** @internal */
  constructor(kind: InterruptKind, transport: Transport, system: System) {
    requireWord("kind of interrupts", kind, KINDS);
    this.#index = INDICES[kind];
    this.#name = `${kind} of ${transport.name}`;
    this.#transport = transport;
    this.#system = system;
    const { count, flags } = transport.irqInfo(this.#index);
    this.count = count;
    this.automasked = (flags & VFIO_IRQ_INFO_AUTOMASKED) !== 0;
  }

  /**
   * Calls `onInterrupt` in this thread's event loop, which stays alive, whenever one of the vectors is raised. What it
   * throws is the process's uncaught exception; the other vectors are told all the same.
   *
   * @throws ERR_ARGUMENT when there is no such vector; ERR_BUSY when one has a listener; ERR_SYSTEM when too many files
   *   are open; what the transport throws.
   */
  listen(vectors: readonly number[], onInterrupt: (event: InterruptEvent) => void): InterruptListener {
    this.#requireFree(vectors);
    requireFunction("listener", onInterrupt);
    const listening: Listening[] = [];
    try {
      for (const vector of new Set(vectors)) {
        const each = new Listening(vector, this.#name, onInterrupt, this.#system);
        listening.push(each);
        this.#taken.set(vector, each);
      }
      this.#assign(vectors);
    } catch (error) {
      this.#forget(listening);
      // It may have taken some of them.
      this.#withdraw(vectors, () => {});
      throw error;
    }
    const close = (): void => this.#end(listening);
    return { close, [Symbol.dispose]: close };
  }

  /**
   * The interrupts of a vector, or of several, as a sequence, from this call on: none is lost before the first is asked
   * for. It ends, and the listening with it, when it is left, when `signal` is aborted, and when the device is closed.
   * While nobody asks for the next, the signals of a vector become one, so that no more than one of each ever waits.
   *
   * @returns of one vector, how often it was signalled since the last; of several, which one too
   * @throws as `listen`
   */
  events(vector: number, options?: InterruptSequenceOptions): AsyncGenerator<number, void, undefined>;
  events(
    vectors: readonly number[],
    options?: InterruptSequenceOptions,
  ): AsyncGenerator<InterruptEvent, void, undefined>;
  events(
    vectors: number | readonly number[],
    options: InterruptSequenceOptions = {},
  ): AsyncGenerator<number | InterruptEvent, void, undefined> {
    requireOptions("of the sequence", options);
    const { signal } = options;
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw unusable("signal", signal, "it must be an AbortSignal");
    }
    return typeof vectors === "number"
      ? this.#sequence([vectors], signal, ({ signals }) => signals)
      : this.#sequence(vectors, signal, (event) => event);
  }

  #sequence<Item>(
    vectors: readonly number[],
    signal: AbortSignal | undefined,
    pick: (event: InterruptEvent) => Item,
  ): AsyncGenerator<Item, void, undefined> {
    const sequence = new InterruptSequence<Item>(pick, () => {
      signal?.removeEventListener("abort", onAbort);
      this.#sequences.delete(sequence);
      listener.close();
    });
    const onAbort = (): void => sequence.end();
    const listener: InterruptListener = this.listen(vectors, (event) => sequence.add(event));
    this.#sequences.add(sequence);
    if (signal?.aborted === true) sequence.end();
    else signal?.addEventListener("abort", onAbort);
    return sequence;
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
    // Before the sequences end: they need not tell a device that is being closed.
    const listening = [...this.#taken.values()];
    this.#taken.clear();
    closeEach(`interrupts (${this.#name})`, [
      ...listening.map((each) => () => each.close()),
      ...[...this.#sequences].map((sequence) => () => sequence.end()),
    ]);
  }

  #act(vector: number, action: number): void {
    this.#checkRange(vector);
    const flags = VFIO_IRQ_SET_DATA_NONE | action;
    this.#transport.setIrqs({ index: this.#index, flags, start: vector, count: 1 });
  }

  /** Tells the device which eventfds stand for the vectors; where there is none, −1 takes the vector's away. */
  #assign(vectors: readonly number[]): void {
    const start = Math.min(...vectors);
    const count = Math.max(...vectors) - start + 1;
    const eventfds = Array.from({ length: count }, (_, at) => this.#taken.get(start + at)?.eventfd ?? -1);
    const flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    this.#transport.setIrqs({ index: this.#index, flags, start, count, eventfds });
  }

  #end(listening: readonly Listening[]): void {
    const mine = listening.filter((each) => this.#taken.get(each.vector) === each);
    if (mine.length === 0) return;
    const vectors = mine.map(({ vector }) => vector);
    closeEach(`interrupts (${this.#name})`, [
      () => this.#forget(mine),
      () =>
        this.#withdraw(vectors, (error) => {
          // Whoever is gone signals nothing any more.
          if (!isGone(error)) throw error;
        }),
    ]);
  }

  /** Takes the vectors' eventfds away from the device; they are closed already. */
  #withdraw(vectors: readonly number[], onFailure: (error: unknown) => void): void {
    try {
      if (this.#taken.size > 0) this.#assign(vectors);
      else {
        const flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
        this.#transport.setIrqs({ index: this.#index, flags, start: 0, count: 0 });
      }
    } catch (error) {
      onFailure(error);
    }
  }

  #forget(listening: readonly Listening[]): void {
    for (const each of listening) this.#taken.delete(each.vector);
    closeEach(
      `interrupts (${this.#name})`,
      listening.map((each) => () => each.close()),
    );
  }

  #requireFree(vectors: readonly number[]): void {
    const given: unknown = vectors;
    if (!Array.isArray(given) || given.length === 0) {
      throw unusable("vectors", vectors, "they must be an array with one vector or more");
    }
    for (const vector of vectors) {
      this.#checkRange(vector);
      if (!this.#taken.has(vector)) continue;
      const action = `listen to interrupt ${vector} (${this.#name})`;
      throw hugebarError("ERR_BUSY", { action, problem: "something listens to it already" });
    }
  }

  #checkRange(vector: unknown): void {
    if (typeof vector === "number" && Number.isInteger(vector) && vector >= 0 && vector < this.count) return;
    const problem = this.count === 0 ? "the device has none" : `the device has ${this.count}`;
    const what = typeof vector === "number" ? String(vector) : `of type ${typeof vector}`;
    throw hugebarError("ERR_ARGUMENT", { what: `interrupt ${what} (${this.#name})`, problem });
  }
}

/** One vector's eventfd, and who is told when it is signalled. */
class Listening {
  readonly vector: number;
  readonly eventfd: number;
  readonly #watched: WatchedEventfd;

  constructor(vector: number, name: string, onInterrupt: (event: InterruptEvent) => void, system: System) {
    this.vector = vector;
    try {
      this.eventfd = system.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      const action = `listen to interrupt ${vector} (${name})`;
      throw hugebarError("ERR_SYSTEM", { action, problem: error.message }, error);
    }
    try {
      const tell = (signals: number): void => onInterrupt({ vector, signals });
      this.#watched = watchEventfd(this.eventfd, tell, { keepAlive: true });
    } catch (error) {
      system.close(this.eventfd);
      throw error;
    }
  }

  close(): void {
    this.#watched.close();
  }
}
