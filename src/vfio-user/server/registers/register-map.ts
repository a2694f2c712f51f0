/** The registers of a region as their author writes them down: data, which a driver may share. */

import { requireFunction, requireOptions, requireWhole, requireWord, unusable } from "../../../arguments.ts";
import { hugebarError } from "../../../errors.ts";
import { RESET_KINDS, type ResetKind } from "../parts/reset-kind.ts";
import type { Width } from "./masked-bytes.ts";

/** How accesses that are not one register's whole width are answered: see `RegisterOptions`. */
export type RegisterAccesses = "any" | "exact";

/** What registers of each width have. */
export interface RegisterShape<W extends 1 | 2 | 4 | 8, Value> {
  /** Where in the region; of an array, its first one. */
  readonly offset: number;
  /** Bytes. */
  readonly width: W;
  /** What stands there after a reset; 0, if left out. */
  readonly reset?: Value;
  /** The bits that a client's writes change: all, if left out; 0 makes it read-only. `set` changes any. */
  readonly writable?: Value;
  /** Bits that the client clears by writing 1 to them, whatever `writable` says. */
  readonly clearedByOne?: Value;
  /** Bits that are cleared when the client has read them. */
  readonly clearedByRead?: Value;
  /** Makes it an array of so many registers, 1 if left out. */
  readonly count?: number;
  /** Bytes from one register of the array to the next; its width, if left out. Others may stand between them. */
  readonly stride?: number;
  /** Resets that leave it as it is; none, if left out. */
  readonly survives?: readonly ResetKind[];
  /** As in `RegisterOptions`, for this register. */
  readonly accesses?: RegisterAccesses;
}

/** One register, or an array of them. Values are numbers, and bigints where it is 8 bytes wide. */
export type RegisterDescription = RegisterShape<1 | 2 | 4, number> | RegisterShape<8, bigint>;

/** Registers by name. */
export type RegisterMap = Readonly<Record<string, RegisterDescription>>;

/** What a register holds: a bigint where it is 8 bytes wide, else a number. */
export type RegisterValue<Description extends RegisterDescription> = Description extends { readonly width: 8 }
  ? bigint
  : number;

/** One register's place; `name` and `index` say which. */
export interface Place {
  readonly name: string;
  readonly index: number;
  readonly offset: number;
  readonly end: number;
}

/** So many registers, those of arrays counted singly, are more than any device's. */
const MOST_PLACES = 2 ** 16;

/**
 * All registers one by one, by their offset.
 *
 * @throws ERR_ARGUMENT where a description makes no sense, or two registers share bytes
 */
export function placesOf(map: RegisterMap): Place[] {
  requireOptions("of registers", map);
  const places: Place[] = [];
  for (const [name, description] of Object.entries(map)) {
    checkRegister(name, description);
    const { offset, width, count = 1, stride = width } = description;
    if (places.length + count > MOST_PLACES)
      throw unusable("count", count, `there can be ${MOST_PLACES} registers in all`);
    for (let index = 0; index < count; index += 1) {
      const start = offset + index * stride;
      places.push({ name, index, offset: start, end: start + width });
    }
  }
  places.sort((one, other) => one.offset - other.offset);
  for (const [at, { name, offset }] of places.entries()) {
    const before = places[at - 1];
    if (before !== undefined && before.end > offset) {
      const problem = `at ${offset} it shares bytes with register ${before.name}`;
      throw hugebarError("ERR_ARGUMENT", { what: `register ${name}`, problem });
    }
  }
  return places;
}

/** @throws ERR_ARGUMENT for what a register of so many bytes cannot hold */
export function requireValue(what: string, value: unknown, width: Width): void {
  if (width !== 8) {
    requireWhole(what, value, 0, 2 ** (8 * width) - 1);
  } else if (typeof value !== "bigint" || value < 0n || value >= 1n << 64n) {
    throw unusable(what, value, "it is 8 bytes wide: it must be a bigint from 0 to 2^64 − 1");
  }
}

/** @throws ERR_ARGUMENT */
export function requireAccesses(value: unknown): void {
  requireWord("accesses", value, ["any", "exact"]);
}

/** @throws ERR_ARGUMENT for what is no handler */
export function requireHandler(name: string, handler: unknown): void {
  requireFunction(`the handler of register ${name}`, handler);
}

function checkRegister(name: string, description: RegisterDescription): void {
  requireOptions(`of register ${name}`, description);
  const { offset, width, count = 1, stride = width, survives = [], accesses = "any" } = description;
  if (![1, 2, 4, 8].includes(width))
    throw unusable(`the width of register ${name}`, width, "it must be 1, 2, 4 or 8");
  requireWhole(`the offset of register ${name}`, offset, 0);
  requireWhole(`the count of register ${name}`, count, 1, MOST_PLACES);
  requireWhole(`the stride of register ${name}`, stride, width);
  requireWhole(`the end of register ${name}`, offset + count * stride, 1);
  const { reset, writable, clearedByOne, clearedByRead } = description;
  for (const [what, value] of Object.entries({ reset, writable, clearedByOne, clearedByRead }))
    if (value !== undefined) requireValue(`${what} of register ${name}`, value, width);
  requireAccesses(accesses);
  if (!Array.isArray(survives))
    throw unusable(`survives of register ${name}`, survives, "it must be an array");
  for (const kind of survives) requireWord("a kind of reset", kind, RESET_KINDS);
}
