import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pagingModels } from "../../layout/paging.ts";
import { drawRegion } from "./drawing.ts";
import { encodeDrawing, encodeStrip, sceneScale } from "./encode-drawing.ts";
import { decodeDrawing } from "./page-data.ts";
import { testRegion, testStrip } from "./strip.fixture.ts";

describe("the page's data", () => {
  it("survives JSON, and says what the drawing says", () => {
    const model = pagingModels["arm64-64k"];
    const strip = {
      ...testStrip("now", [
        { offset: 0, size: 2 ** 29, leaf: 2 ** 29 },
        { offset: 2 ** 30, size: 2 ** 16, leaf: 2 ** 16 },
      ]),
      mapped: true,
    };
    const drawing = drawRegion({ ...testRegion(2 ** 31), physical: (2n ** 42n + 1n) << 16n }, [strip], model);
    const encoded = encodeDrawing(drawing);
    assert.deepEqual(JSON.parse(JSON.stringify(encoded)), encoded);
    const decoded = decodeDrawing(encoded);
    const [first] = drawing.strips;
    assert.ok(first);
    assert.deepEqual(decoded, {
      size: 2 ** 31,
      scale: sceneScale(drawing),
      strips: [{ name: "now", addresses: ["0x0", "0x40000000"], ...encodeStrip(first, drawing) }],
    });
    assert.equal(decoded.scale.physicalPhase, 0x10000);
  });
});
