/** Tests that fail on purpose: the host checks that it hears of them. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";

describe("outer", () => {
  it("passes", (t) => {
    t.diagnostic("said in passing");
  });
  describe("inner", () => {
    it("fails", () => {
      console.log("printed by the failing test");
      assert.equal(1, 2, "one is not two");
    });
    it("is skipped", { skip: "for a reason" }, () => {});
  });
});
