import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decodeHash, decodeSight, encodeHash, encodeSight, type HashEntry } from "./hash.ts";

const text = fc.string({ unit: "grapheme" }).filter((each) => each.isWellFormed());
const entry: fc.Arbitrary<HashEntry> = fc.tuple(
  text.filter((name) => name !== ""),
  fc.option(text, { nil: null }),
);

describe("the page's address", () => {
  it("keeps names and values, whatever they are", () => {
    fc.assert(
      fc.property(fc.array(entry), (entries) => {
        const hash = encodeHash(entries);
        assert.deepEqual(decodeHash(`#${hash}`), entries);
        // As the browser gives it back.
        assert.deepEqual(decodeHash(new URL(`file:///page.html#${hash}`).hash), entries);
      }),
    );
  });

  it("is readable", () => {
    assert.equal(
      encodeHash([
        ["size", "256G"],
        ["areas", "0:0x2f00f00000,64G:4K"],
      ]),
      "size=256G&areas=0:0x2f00f00000,64G:4K",
    );
  });

  it("takes what others wrote for what it can be", () => {
    fc.assert(fc.property(fc.string(), (hash) => void decodeHash(hash)));
    assert.deepEqual(decodeHash("#100%&&a=b=c"), [
      ["100%", null],
      ["a", "b=c"],
    ]);
  });

  it("keeps a view to the byte", () => {
    const size = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(size, share, share, fc.integer({ min: 0, max: 9 }), (whole, one, other, strip) => {
        const [from = 0, to = 0] = [one * whole, other * whole].sort((a, b) => a - b);
        fc.pre(to - from >= 1);
        const limits = { size: whole, smallest: 1 };
        const sight = decodeSight(encodeSight({ view: { from, to }, strip }), limits, 10);
        assert.deepEqual(sight, { view: { from: Math.floor(from), to: Math.ceil(to) }, strip });
        assert.ok(sight !== null && encodeSight(sight) === encodeSight({ view: { from, to }, strip }));
      }),
    );
  });

  it("shows nothing that is not there", () => {
    const limits = { size: 0x10000, smallest: 0x1000 };
    assert.ok(decodeSight("0x0-0x10000,1", limits, 1) !== null);
    for (const bad of [
      "",
      "0x0-0x10001,1",
      "0x2000-0x1000,1",
      "0x0-0xfff,1",
      "0x0-0x10000,2",
      "0x0-0x10000,0",
      "0x0-0x10000",
      "-0x1-0x10000,1",
      "0x0-0x10000,1 ",
    ]) {
      assert.equal(decodeSight(bad, limits, 1), null, bad);
    }
  });
});
