import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { screenful } from "./screen.ts";

describe("screenful", () => {
  it("begins at the top, and ends above the last line, where the cursor stands", () => {
    assert.equal(screenful("a\nb\n", 24), "\x1b[H\x1b[Ja\nb\n");
    const lines = Array.from({ length: 30 }, (_, index) => String(index));
    for (const rows of [5, 10, 24, 30]) {
      const shown = screenful(lines.join("\n"), rows).replace("\x1b[H\x1b[J", "").split("\n");
      assert.equal(shown.length, rows, "with the empty line of the cursor");
      assert.equal(shown.at(-2), `(${30 - (rows - 2)} more lines)`);
    }
    assert.ok(!screenful(lines.join("\n"), 31).includes("more lines"));
    assert.ok(screenful(lines.join("\n"), 0).includes("(8 more lines)"));
  });
});
