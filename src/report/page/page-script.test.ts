import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Script } from "node:vm";
import { pageScript } from "./page-script.ts";

describe("pageScript", () => {
  const script = pageScript();

  it("is one plain script: no imports, no exports, no types, nothing that ends its element", () => {
    assert.doesNotMatch(script, /^(?:import|export)\b|<\/script|<!--|sourceMappingURL/im);
    // Compiles it, and runs nothing.
    assert.ok(new Script(script));
  });

  it("knows nothing of Node", () => {
    assert.doesNotMatch(script, /node:|\bprocess\.|\bBuffer\b|\brequire\(/);
  });

  it("is the same each time: a page names its hash, and a release is reproducible", () => {
    assert.equal(pageScript(), script);
  });
});
