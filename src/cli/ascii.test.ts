import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { asciiJson, asciiText, isUtf8Locale } from "./ascii.ts";

describe("isUtf8Locale", () => {
  it("asks the variables in the order of setlocale", () => {
    assert.ok(isUtf8Locale({ LANG: "de_DE.UTF-8" }));
    assert.ok(isUtf8Locale({ LANG: "C", LC_ALL: "C.utf8" }));
    assert.ok(isUtf8Locale({ LC_ALL: "", LC_CTYPE: "en_GB.UTF-8", LANG: "C" }));
    assert.ok(!isUtf8Locale({ LC_ALL: "C", LANG: "en_GB.UTF-8" }));
    assert.ok(!isUtf8Locale({ LANG: "de_DE.ISO-8859-1" }));
    assert.ok(!isUtf8Locale({}));
  });
});

describe("what stands in for signs beyond ASCII", () => {
  it("takes as many columns", () => {
    assert.equal(asciiText("16 → 4 × 2 MiB ░▓█"), "16 > 4 x 2 MiB :+#");
    assert.equal(asciiText("gpu-ü-😀"), "gpu-?-?");
  });

  it("is JSON's own escape in JSON", () => {
    const json = JSON.stringify({ command: "gpu-ü-😀" });
    const ascii = asciiJson(json);
    assert.match(ascii, /^[\0-\x7f]*$/);
    assert.deepEqual(JSON.parse(ascii), JSON.parse(json));
  });
});
