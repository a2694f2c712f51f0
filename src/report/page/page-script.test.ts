import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Script } from "node:vm";
import { pageScript } from "./page-script.ts";

describe("pageScript", () => {
  it("is one plain script: no imports, no exports, no types, nothing that ends its element", () => {
    const script = pageScript();
    assert.doesNotMatch(script, /^(?:import|export)\b|<\/script|<!--|sourceMappingURL/im);
    // Compiles it, and runs nothing.
    assert.ok(new Script(script));
  });

  it("has each module once, behind those it needs", () => {
    const script = pageScript();
    const names = [...script.matchAll(/^const (?<name>m\d+) = \(\(\) => \{$/gm)].map(
      ({ groups }) => groups?.["name"],
    );
    assert.deepEqual(
      names,
      names.map((_, index) => `m${index}`),
    );
    assert.ok(names.length > 5);
    for (const { index, groups } of script.matchAll(/^const \{[^}]*\} = (?<name>m\d+);$/gm)) {
      assert.ok(script.indexOf(`const ${groups?.["name"]} = (() => {`) < index);
    }
  });

  it("knows nothing of Node", () => {
    assert.doesNotMatch(pageScript(), /node:|\bprocess\.|\bBuffer\b|\brequire\(/);
  });
});
