import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pagingModels } from "../../../layout/paging.ts";
import { drawRegion } from "../drawing/drawing.ts";
import type { Picture } from "../drawing/picture.ts";
import { HOSTILE } from "../drawing/hostile.fixture.ts";
import { testRegion, testStrip } from "../drawing/strip.fixture.ts";
import { renderSvg } from "./svg.ts";
import { elementsOf } from "./well-formed.fixture.ts";

const model = pagingModels["x86-64"];
const GIB = 2 ** 30;

function pictureOf(strips: number, areas: number, name = "region"): Picture {
  const spans = Array.from({ length: areas }, (_, index) => ({
    offset: 2 * index * GIB,
    size: GIB,
    leaf: GIB,
  }));
  const inputs = Array.from({ length: strips }, () => testStrip(name, spans));
  const drawing = drawRegion({ ...testRegion(2 * areas * GIB, name), notes: [name] }, inputs, model);
  return { title: name, notes: [name], drawings: [drawing, drawing] };
}

describe("renderSvg", () => {
  it("is well-formed, and names its elements", () => {
    const svg = renderSvg(pictureOf(2, 3));
    const names = elementsOf(svg);
    assert.equal(names.filter((name) => name === "style").length, 1);
    const ids = [...svg.matchAll(/ id="(?<id>[^"]*)"/g)].map(({ groups }) => groups?.["id"]);
    assert.equal(new Set(ids).size, ids.length);
    for (const id of ["drawing-1", "drawing-2-strip-1", "drawing-2-figures-2", "drawing-1-axis"]) {
      assert.ok(ids.includes(id), id);
    }
  });

  it("says in its description what it shows", () => {
    const description = /<desc[^>]*>(?<text>[^<]*)<\/desc>/.exec(renderSvg(pictureOf(1, 3)))?.groups?.[
      "text"
    ];
    assert.match(
      description ?? "",
      /^region\. region, about region: 3 leaves of 1 GiB; 3 faults, 8 KiB of page tables\./,
    );
  });

  it("does not grow with the number of areas", () => {
    const many = renderSvg(pictureOf(3, 100_000));
    const thousand = renderSvg(pictureOf(3, 1000));
    assert.ok(Math.max(elementsOf(many).length, elementsOf(thousand).length) < 300);
    assert.ok(many.length < 200_000, `${many.length}`);
  });

  it("draws what nobody expects: no strip, no area, no size", () => {
    elementsOf(renderSvg({ title: "", notes: [], drawings: [] }));
    elementsOf(renderSvg(pictureOf(0, 1)));
    elementsOf(renderSvg(pictureOf(2, 0)));
    const empty = drawRegion(testRegion(4096), [testStrip("none", [])], model);
    assert.match(renderSvg({ title: "", notes: [], drawings: [empty] }), /nothing mapped/);
  });

  it("takes names as text, whatever they say", () => {
    const svg = renderSvg(pictureOf(2, 2, HOSTILE));
    const harmless = renderSvg(pictureOf(2, 2));
    // A long name has more lines; nothing else may come of it.
    const others = (document: string): string[] => elementsOf(document).filter((name) => name !== "text");
    assert.deepEqual(others(svg), others(harmless));
    assert.doesNotMatch(svg, /[^\n\P{C}]/u);
  });

  it("says of an inspection whose it is, of when, and by what", () => {
    const facts = [
      ["host", "host-17"],
      ["time", "2026-11-20 08:15:42 UTC"],
      ["hugebar", "0.1.0"],
    ] as const;
    const summary = {
      facts,
      headline: "1 of 2 regions falls short",
      cost: null,
      verdicts: [],
      rows: [],
      good: [],
      refused: [],
      counsel: [],
    };
    const svg = renderSvg({ ...pictureOf(1, 1), summary });
    assert.match(svg, />host: host-17; time: 2026-11-20 08:15:42 UTC; hugebar: 0\.1\.0</);
    assert.match(svg, />1 of 2 regions falls short</);
    assert.equal(
      svg.match(/>about region</g)?.length,
      renderSvg(pictureOf(1, 1)).match(/>about region</g)?.length,
    );
  });

  it("breaks a long title, the end of which says which region it is", () => {
    const name = `${"n".repeat(300)} (7): region 4 of 0000:43:00.0`;
    const svg = renderSvg({ ...pictureOf(1, 1, name), title: "all" });
    assert.match(svg, /<text class="name"[^>]*>[^<]*region 4 of 0000:43:00\.0<\/text>/);
    for (const [, line = ""] of svg.matchAll(/<text class="name"[^>]*>([^<]*)</g))
      assert.ok(line.length <= 120);
    elementsOf(svg);
  });

  it("needs nothing from elsewhere", () => {
    assert.doesNotMatch(
      renderSvg(pictureOf(2, 2)).replace("http://www.w3.org/2000/svg", ""),
      /https?:|href|@import|<script|<image/,
    );
  });
});
