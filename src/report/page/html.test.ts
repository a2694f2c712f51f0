import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { pagingModels } from "../../layout/paging.ts";
import { drawRegion } from "../picture/drawing/drawing.ts";
import type { Picture } from "../picture/drawing/picture.ts";
import { HOSTILE } from "../picture/drawing/hostile.fixture.ts";
import { renderHtml } from "./html.ts";
import { testRegion, testStrip } from "../picture/drawing/strip.fixture.ts";

function pictureOf(name: string): Picture {
  const strips = ["none", name].map((each) => testStrip(each, [{ offset: 0, size: 8192, leaf: 4096 }]));
  const drawing = drawRegion({ ...testRegion(16384, name), notes: [name] }, strips, pagingModels["x86-64"]);
  const empty = drawRegion(testRegion(0, name), strips, pagingModels["x86-64"]);
  const second = { ...drawing, title: `second ${name}` };
  return { title: name, notes: [name], drawings: [empty, drawing, second] };
}

/** What stands between the tags of the elements with this opening tag. */
function contentOf(html: string, tag: string): string {
  const start = html.indexOf(tag) + tag.length;
  return html.slice(start, html.indexOf("</", start));
}

describe("renderHtml", () => {
  it("lets its own style and script run, and nothing else", () => {
    const html = renderHtml(pictureOf("region"));
    const policy = /Content-Security-Policy" content="(?<policy>[^"]*)"/.exec(html)?.groups?.["policy"] ?? "";
    const style = contentOf(html, "<style>");
    const scriptTag = '<script type="module">';
    const script = html.slice(html.indexOf(scriptTag) + scriptTag.length, html.lastIndexOf("</script>"));
    const hash = (text: string): string =>
      `&#39;sha256-${createHash("sha256").update(text).digest("base64")}&#39;`;
    assert.equal(
      policy,
      `default-src &#39;none&#39;; style-src ${hash(style)}; script-src ${hash(script)}; base-uri &#39;none&#39;; form-action &#39;none&#39;`,
    );
  });

  it("needs nothing from elsewhere", () => {
    const html = renderHtml(pictureOf("region")).replaceAll("http://www.w3.org/2000/svg", "");
    assert.doesNotMatch(html, /https?:|<link|<iframe|<img|@import|\bfetch\(|\bimport\(/);
    assert.doesNotMatch(html, / style=| on\w+=/);
  });

  it("takes names as text, whatever they say", () => {
    const html = renderHtml(pictureOf(HOSTILE));
    const tags = (text: string): string[] => text.match(/<\/?[a-z][a-z0-9]*/gi) ?? [];
    assert.deepEqual(tags(html), tags(renderHtml(pictureOf("region"))));
    assert.equal(html.split("<script").length, 3);
  });

  it("gives each element that is spoken of an id of its own", () => {
    const html = renderHtml(pictureOf("region"));
    const ids = [...html.matchAll(/ id="(?<id>[^"]*)"/g)].map(({ groups }) => groups?.["id"] ?? "");
    assert.equal(new Set(ids).size, ids.length);
    for (const [, id = ""] of html.matchAll(/aria-(?:controls|describedby)="(?<id>[^"]*)"/g)) {
      assert.ok(ids.includes(id), id);
    }
    assert.ok(ids.includes("drawing-3-strip-2"));
  });

  it("gives a drawing a heading where the page's own does not speak for it", () => {
    const html = renderHtml(pictureOf("region"));
    assert.deepEqual(html.match(/<h2(?!.*unseen).*?<\/h2>/g), [
      '<h2 id="drawing-3-title">second region</h2>',
    ]);
    assert.equal(html.match(/id="help"/g)?.length, 1);
  });

  it("shows each region whole where no script runs", () => {
    const html = renderHtml(pictureOf("region"));
    assert.match(html, /<path class="pte" d="M0 6h550v36h-550z"\/>/);
    assert.match(html, /<th scope="row">0x2000<\/th><td>0x4000<\/td><td>8 KiB<\/td><td>gap<\/td>/);
  });
});
