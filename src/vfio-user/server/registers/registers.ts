/** Registers by name, in place of bytes and DataViews: what stands in them, what clients may change, and what happens then. */

import { constants } from "node:os";
import { requireOptions, requireWhole, requireWord } from "../../../arguments.ts";
import { hugebarError } from "../../../errors.ts";
import { DeviceError } from "../../wire/device-error.ts";
import type { MaybePromise } from "../link/session.ts";
import type { ReadHandler, WriteHandler } from "../parts/region-description.ts";
import { RESET_KINDS, type ResetKind } from "../parts/reset-kind.ts";
import {
  bankOf,
  bytesOf,
  readPart,
  valueOf,
  writePart,
  type Bank,
  type RegisterAccess,
  type RegisterWrite,
  type Touched,
  type AnyValue,
} from "./register-bank.ts";
import {
  placesOf,
  requireAccesses,
  requireHandler,
  requireValue,
  type Place,
  type RegisterAccesses,
  type RegisterMap,
  type RegisterValue,
} from "./register-map.ts";

export interface RegisterOptions {
  /**
   * Accesses that are not one register's whole width. `any`, if left out: each register that is touched is read, or written,
   * as by hardware with byte enables: what is not written stays, and is not cleared by a 1. Bytes between registers read 0
   * and take writes without effect. `exact`: they are refused, with EINVAL.
   */
  readonly accesses?: RegisterAccesses;
}

/**
 * The registers of a region; give them to it as its `registers`. They are reset with the device, before its own `reset` is
 * called.
 */
export interface Registers<Map extends RegisterMap> {
  /** Behind the last one. */
  readonly size: number;
  /** What stands in a register. */
  get<Name extends string & keyof Map>(name: Name, index?: number): RegisterValue<Map[Name]>;
  /** Changes any of its bits, and calls nobody. @throws ERR_ARGUMENT for what does not fit into it */
  set<Name extends string & keyof Map>(name: Name, value: RegisterValue<Map[Name]>, index?: number): void;
  /**
   * What a client reads there: `handler` is given what stands in the register, and tells what is read instead; nothing, if it
   * stays so. One handler a register.
   */
  onRead<Name extends string & keyof Map>(
    name: Name,
    handler: (
      value: RegisterValue<Map[Name]>,
      access: RegisterAccess,
    ) => MaybePromise<RegisterValue<Map[Name]> | void>,
  ): void;
  /**
   * What a client's write does: `handler` is given what was written, as far as a part was with what stood there, after the
   * register has taken of it what it takes. One handler a register.
   */
  onWrite<Name extends string & keyof Map>(
    name: Name,
    handler: (
      value: RegisterValue<Map[Name]>,
      write: RegisterWrite<RegisterValue<Map[Name]>>,
    ) => MaybePromise<void>,
  ): void;
  /** Puts first values into all registers, but those that survive this kind; `device`, if left out. */
  reset(kind?: ResetKind): void;
  /** A client's read and write: a region with these `registers` calls them. */
  readonly read: ReadHandler;
  readonly write: WriteHandler;
}

/**
 * Registers from their description.
 *
 * @throws ERR_ARGUMENT where a description makes no sense, or two registers share bytes
 *
 * @example
 * const registers = defineRegisters({
 *   identification: { offset: 0x00, width: 4, reset: 0x1234, writable: 0 },
 *   control: { offset: 0x04, width: 4 },
 *   interruptStatus: { offset: 0x08, width: 4, writable: 0, clearedByOne: 0xff },
 *   doorbells: { offset: 0x1000, width: 4, count: 16 },
 * });
 * registers.onWrite("doorbells", (tail, { client, index }) => client.run(() => serveQueue(index, tail)));
 * // …, regions: [{ index: 0, registers }]
 */
export function defineRegisters<const Map extends RegisterMap>(
  map: Map,
  options?: RegisterOptions,
): Registers<Map>;
export function defineRegisters(map: RegisterMap, options: RegisterOptions = {}): RegisterSet {
  return new RegisterSet(map, options);
}

class RegisterSet {
  readonly size: number;
  readonly #banks = new Map<string, Bank>();
  /** By offset. */
  readonly #places: readonly Place[];
  readonly #byOffset: ReadonlyMap<number, Place>;
  readonly #exact: boolean;

  constructor(map: RegisterMap, options: RegisterOptions) {
    requireOptions("of registers", options);
    const { accesses = "any" } = options;
    requireAccesses(accesses);
    this.#exact = accesses === "exact";
    this.#places = placesOf(map);
    this.size = this.#places.at(-1)?.end ?? 0;
    this.#byOffset = new Map(this.#places.map((place) => [place.offset, place]));
    for (const [name, description] of Object.entries(map))
      this.#banks.set(name, bankOf(name, description, accesses));
  }

  get(name: string, index: number = 0): AnyValue {
    return valueOf(this.#bank(name, index), index);
  }

  set(name: string, value: AnyValue, index: number = 0): void {
    const bank = this.#bank(name, index);
    requireValue(`a value of register ${name}`, value, bank.width);
    bank.bytes.put(index * bank.width, bytesOf(bank, value));
  }

  onRead(name: string, handler: NonNullable<Bank["onRead"]>): void {
    requireHandler(name, handler);
    this.#bank(name, 0).onRead = handler;
  }

  onWrite(name: string, handler: NonNullable<Bank["onWrite"]>): void {
    requireHandler(name, handler);
    this.#bank(name, 0).onWrite = handler;
  }

  reset(kind: ResetKind = "device"): void {
    requireWord("a kind of reset", kind, RESET_KINDS);
    for (const { survives, bytes } of this.#banks.values()) if (!survives.includes(kind)) bytes.reset();
  }

  readonly read: ReadHandler = (offset, target, client) => {
    const whole = this.#whole(offset, target.length);
    if (whole !== null) return readPart(whole, target, client);
    target.fill(0);
    return inTurn(this.#touched(offset, target.length), (touched) => {
      const part = target.subarray(touched.at, touched.at + touched.to - touched.from);
      return readPart(touched, part, client);
    });
  };

  readonly write: WriteHandler = (offset, source, client) => {
    const whole = this.#whole(offset, source.length);
    if (whole !== null) return writePart(whole, source, client);
    return inTurn(this.#touched(offset, source.length), (touched) => {
      const part = source.subarray(touched.at, touched.at + touched.to - touched.from);
      return writePart(touched, part, client);
    });
  };

  #bank(name: string, index: number): Bank {
    const bank = this.#banks.get(name);
    if (bank === undefined) {
      throw hugebarError("ERR_ARGUMENT", { what: `register ${name}`, problem: "it is not described" });
    }
    requireWhole(`the index of register ${name}`, index, 0, bank.count - 1);
    return bank;
  }

  /** The one register whose whole width it is, as mostly. */
  #whole(offset: number, length: number): Touched | null {
    const place = this.#byOffset.get(offset);
    if (place === undefined || place.end - place.offset !== length) return null;
    return { bank: this.#bank(place.name, 0), index: place.index, from: 0, to: length, at: 0 };
  }

  #touched(offset: number, length: number): Touched[] {
    const touched: Touched[] = [];
    for (let number = this.#firstBehind(offset); ; number += 1) {
      const place = this.#places[number];
      if (place === undefined || place.offset >= offset + length) break;
      const from = Math.max(place.offset, offset);
      touched.push({
        bank: this.#bank(place.name, 0),
        index: place.index,
        from: from - place.offset,
        to: Math.min(place.end, offset + length) - place.offset,
        at: from - offset,
      });
    }
    if (this.#exact || touched.some(({ bank }) => bank.exact)) {
      const problem = `${length} bytes at ${offset} are not one register's whole width`;
      throw new DeviceError(constants.errno.EINVAL, problem);
    }
    return touched;
  }

  /** The number of the first place that ends behind `offset`. */
  #firstBehind(offset: number): number {
    let low = 0;
    for (let high = this.#places.length; low < high;) {
      const middle = (low + high) >>> 1;
      if ((this.#places[middle]?.end ?? Infinity) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Does a step for each, one after the other; at once, where none is asynchronous. */
function inTurn<Item>(items: readonly Item[], step: (item: Item) => MaybePromise<void>): MaybePromise<void> {
  for (const [at, item] of items.entries()) {
    const pending = step(item);
    if (pending instanceof Promise) return pending.then(() => inTurn(items.slice(at + 1), step));
  }
}
