import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { escapeText, jsonMarkup, markup, trusted } from "./markup.ts";

describe("markup", () => {
  it("escapes what is put in, in text and attributes", () => {
    const name = `</title><script>alert("1" & '2')</script>`;
    assert.equal(
      markup`<a title="${name}">${name}</a>`.text,
      `<a title="&lt;/title&gt;&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;">&lt;/title&gt;&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;</a>`,
    );
  });

  it("leaves markup as it is, alone and in lists", () => {
    const item = markup`<li>${"<"}</li>`;
    assert.equal(
      markup`<ul>${[item, item, ">"]}</ul>${trusted("<br>")}${7}`.text,
      "<ul><li>&lt;</li><li>&lt;</li>&gt;</ul><br>7",
    );
  });

  it("lets nothing through that XML does not allow, or that turns text around", () => {
    assert.equal(escapeText("a\0b\x1b[31m\ud800c\u202ed\uffff"), "a\uFFFDb\uFFFD[31m\uFFFDc\uFFFDd\uFFFD");
    assert.equal(escapeText("a\u200e\u200f\u061cb"), "a\uFFFD\uFFFD\uFFFDb");
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        assert.doesNotMatch(escapeText(text), /[<>"']|&(?!(?:amp|lt|gt|quot|#39);)|[^\t\n\r\P{Cc}]|\p{Cs}/u);
      }),
    );
  });

  it("writes JSON that cannot end its element", () => {
    const value = { name: "</script><!--<script>" };
    const { text } = jsonMarkup(value);
    assert.doesNotMatch(text, /</);
    assert.deepEqual(JSON.parse(text), value);
  });
});
