import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { struct } from "./struct.ts";

describe("struct", () => {
  it("places fields by C's natural alignment", () => {
    const mixed = struct({ a: "u8", b: "u32", c: "u16", d: "u64", e: "u8" });
    assert.deepEqual(mixed.offsets, { a: 0, b: 4, c: 8, d: 16, e: 24 });
    assert.equal(mixed.size, 32);
  });

  it("gives an empty structure no size", () => {
    assert.equal(struct({}).size, 0);
  });

  it("decodes what it encoded, anywhere in a buffer", () => {
    const mixed = struct({ a: "u8", b: "u32", c: "u16", d: "u64", e: "i32" });
    fc.assert(
      fc.property(
        fc.record({
          a: fc.integer({ min: 0, max: 0xff }),
          b: fc.integer({ min: 0, max: 0xffff_ffff }),
          c: fc.integer({ min: 0, max: 0xffff }),
          d: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
          e: fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
        }),
        fc.nat(40),
        (value, at) => {
          const bytes = new Uint8Array(at + mixed.size);
          mixed.encodeInto(bytes, at, value);
          assert.deepEqual(mixed.decode(bytes, at), { ...value });
        },
      ),
    );
  });

  it("writes little-endian, and 0 for a field left out", () => {
    const pair = struct({ low: "u16", high: "u16" });
    assert.deepEqual([...pair.encode({ low: 0x1234 }, 1)], [0x34, 0x12, 0, 0, 0]);
  });

  it("refuses a value that its field does not hold, and writes nothing else in its place", () => {
    const all = struct({ u8: "u8", u16: "u16", u32: "u32", i32: "i32", u64: "u64" });
    const misfits: [keyof typeof all.offsets, number | bigint][] = [
      ["u8", 256],
      ["u8", -1],
      ["u16", 0x1_0000],
      ["u32", 2 ** 32],
      ["u32", 0.5],
      ["u32", NaN],
      ["i32", 2 ** 31],
      ["u64", 2n ** 64n],
      ["u64", 2n ** 64n + 0x30_0000n],
      ["u64", -1n],
    ];
    for (const [field, value] of misfits) {
      assert.throws(() => all.encode({ [field]: value }), {
        code: "ERR_ARGUMENT",
        message: new RegExp(`^Cannot use ${value} as ${field}: a field of type ${field} holds whole numbers`),
      });
    }
  });

  it("refuses to decode what is cut short", () => {
    assert.throws(() => struct({ a: "u64" }).decode(new Uint8Array(7)), RangeError);
  });
});
