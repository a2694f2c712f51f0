import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { getUint32, setUint16, setUint32 } from "./little-endian.ts";

describe("getUint32", () => {
  it("reads what setUint32 wrote", () => {
    fc.assert(
      fc.property(fc.nat(12), fc.nat(2 ** 32 - 1), (at, value) => {
        const bytes = new Uint8Array(16);
        setUint32(bytes, at, value);
        assert.equal(getUint32(bytes, at), value);
      }),
    );
  });
});

describe("setUint16 and setUint32", () => {
  it("write what a DataView writes, and nothing around it", () => {
    const places = fc.record({ at: fc.nat(12), value: fc.nat(2 ** 32 - 1) });
    fc.assert(
      fc.property(places, ({ at, value }) => {
        for (const [set, method] of [
          [setUint16, "setUint16"],
          [setUint32, "setUint32"],
        ] as const) {
          const bytes = new Uint8Array(16).fill(0xaa);
          const expected = new Uint8Array(16).fill(0xaa);
          set(bytes, at, value);
          new DataView(expected.buffer)[method](at, value, true);
          assert.deepEqual(bytes, expected);
        }
      }),
    );
  });
});
