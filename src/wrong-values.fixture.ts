/** For tests: wrong values of every kind, at every place of a function. */

import assert from "node:assert/strict";
import { describeValue } from "./arguments.ts";
import { HugebarError } from "./errors.ts";

export const WRONG: readonly unknown[] = [
  undefined,
  null,
  true,
  -1,
  -0,
  0.5,
  NaN,
  Infinity,
  2 ** 53,
  2 ** 64,
  7,
  0n,
  -1n,
  2n ** 64n,
  2n ** 70n,
  "",
  "0",
  "nobody's\0name",
  Symbol("wrong"),
  Object.create(null),
  {
    get size() {
      return "2";
    },
  },
  [],
  [null],
  [Symbol("wrong")],
  () => 1,
  new Uint8Array(3),
  new DataView(new ArrayBuffer(8)),
  new Proxy({}, {}),
];

export function show(value: unknown): string {
  return `${describeValue(value)} (${typeof value})`;
}

/** Calls a method with each wrong value at each of its places, the other places being right. */
export function tryAll(
  faults: string[],
  name: string,
  right: readonly unknown[],
  call: (...values: unknown[]) => unknown,
): void {
  const attempt = (values: readonly unknown[], at: number): void => {
    try {
      const result = call(...values);
      if (result instanceof Promise) result.catch(() => {});
      closeResult(result);
    } catch (error) {
      if (error instanceof HugebarError) return;
      faults.push(`${name} with ${show(values[at])} at ${at}: ${String(error)}`);
    }
  };
  for (const at of right.keys()) for (const value of WRONG) attempt(right.with(at, value), at);
}

export function closeResult(result: unknown): void {
  if (typeof result !== "object" || result === null) return;
  for (const name of ["close", "return"]) if (name in result) return void method(result, name)();
}

/** A method of an object, whatever its type says of its arguments. */
export function method(object: object, name: string): (...values: unknown[]) => unknown {
  const found: unknown = Reflect.get(object, name);
  assert.ok(typeof found === "function", name);
  return (...values) => Reflect.apply(found, object, values) as unknown;
}

/** Calls a function with each wrong value in each field of an object. */
export function tryFields(
  faults: string[],
  what: string,
  right: object,
  call: (wrong: object) => unknown,
  fields: readonly string[] = Object.keys(right),
): void {
  for (const field of fields) {
    tryAll(faults, `${what}.${field}`, [Reflect.get(right, field)], (value) =>
      call({ ...right, [field]: value }),
    );
  }
}
