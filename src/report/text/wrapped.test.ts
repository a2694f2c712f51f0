import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { paragraph, wrapped } from "./wrapped.ts";

describe("wrapped", () => {
  it("breaks at blanks, and words only where it must", () => {
    assert.deepEqual(wrapped("one two three", 8, "  "), ["one two", "  three"]);
    assert.deepEqual(wrapped("a /very/long/path", 8, "  "), ["a", "  /very/", "  long/p", "  ath"]);
    assert.equal(paragraph({ text: "one two", width: 3 }), "one\ntwo\n");
  });

  it("loses nothing and exceeds nothing", () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 3, max: 60 }), (text, width) => {
        const lines = wrapped(text, width, "  ");
        assert.ok(lines.every((line) => line.length <= width));
        const letters = (value: string): string => value.replaceAll(" ", "");
        assert.equal(letters(lines.join("")), letters(text));
      }),
    );
  });
});
