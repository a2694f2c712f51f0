import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { closest, editDistance } from "./closest.ts";

describe("editDistance", () => {
  it("counts insertions, deletions, replacements and swaps", () => {
    assert.equal(editDistance("plan", "plan"), 0);
    assert.equal(editDistance("pln", "plan"), 1);
    assert.equal(editDistance("plann", "plan"), 1);
    assert.equal(editDistance("plin", "plan"), 1);
    assert.equal(editDistance("paln", "plan"), 1);
    assert.equal(editDistance("", "plan"), 4);
    assert.equal(editDistance("kitten", "sitting"), 3);
  });

  it("is the same both ways, and 0 for equal words only", () => {
    const word = fc.string({ maxLength: 8 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        assert.equal(editDistance(a, b), editDistance(b, a));
        assert.equal(editDistance(a, b) === 0, a === b);
      }),
    );
  });
});

describe("closest", () => {
  it("finds what was probably meant", () => {
    assert.equal(closest("pln", ["map", "plan"]), "plan");
    assert.equal(closest("--regoin", ["--region", "--strategy"]), "--region");
  });

  it("finds nothing where nothing is near", () => {
    assert.equal(closest("xyzzy", ["map", "plan"]), null);
    assert.equal(closest("map", []), null);
  });
});
