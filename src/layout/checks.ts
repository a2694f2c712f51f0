/** What callers of the layout functions give, checked where it enters. */

import { requireOptions, requireWhole, unusable } from "../arguments.ts";
import type { PagingModel } from "./paging.ts";
import { nextPowerOfTwo } from "./sizes.ts";

/** A power of two. @throws ERR_ARGUMENT for anything else */
export function requirePowerOfTwo(what: string, value: unknown): asserts value is number {
  requireWhole(what, value, 1);
  if (nextPowerOfTwo(value) !== value) throw unusable(what, value, "it must be a power of two");
}

/** A list of objects; what they hold is another question. @throws ERR_ARGUMENT */
export function requireList(what: string, value: unknown): asserts value is readonly object[] {
  if (!Array.isArray(value)) throw unusable(what, value, "they must be an array");
  // By index: what a sparse array leaves out counts.
  for (let at = 0; at < value.length; at += 1) {
    const entry: unknown = value[at];
    if (typeof entry !== "object" || entry === null) throw unusable(what, entry, "each must be an object");
  }
}

/** @throws ERR_ARGUMENT for what is no paging model */
export function requireModel(model: unknown): asserts model is PagingModel {
  requireOptions("of a paging model", model);
  const name: unknown = Reflect.get(model, "name");
  if (typeof name !== "string") throw unusable("the paging model's name", name, "it must be text");
  for (const field of ["pageSize", "pmdSize", "pudSize", "pteTableSize", "pmdTableSize"]) {
    requirePowerOfTwo(`the paging model's ${field}`, Reflect.get(model, field));
  }
}

/** A mapping, be it one of an address space wider than any machine's. @throws ERR_ARGUMENT */
export function requireRange(range: unknown): void {
  requireOptions("of a mapping", range);
  requireAddress("address", Reflect.get(range, "address"));
  requireWhole("the size of a mapping", Reflect.get(range, "size"), 0);
  const physical: unknown = Reflect.get(range, "physical");
  if (physical !== null) requireAddress("physical address", physical);
}

/** @throws ERR_ARGUMENT for what is no bigint, or negative */
export function requireAddress(what: string, value: unknown): asserts value is bigint {
  if (typeof value === "bigint" && value >= 0n) return;
  throw unusable(what, value, "it must be a bigint of 0 and more");
}
