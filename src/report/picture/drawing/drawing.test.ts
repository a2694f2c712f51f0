import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pagingModels } from "../../../layout/paging.ts";
import { drawRegion } from "./drawing.ts";
import { testRegion, testStrip } from "./strip.fixture.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const model = pagingModels["x86-64"];

describe("drawRegion", () => {
  it("fills what no span covers with gaps, and merges neighbours of one kind", () => {
    const drawing = drawRegion(
      testRegion(4 * GIB),
      [
        testStrip("region", [
          { offset: GIB, size: GIB, leaf: GIB },
          { offset: 2 * GIB, size: 2 * MIB, leaf: 2 * MIB },
          { offset: 2 * GIB + 2 * MIB, size: 2 * MIB, leaf: 2 * MIB },
          { offset: 3 * GIB, size: 4096, leaf: 4096 },
        ]),
      ],
      model,
    );
    assert.deepEqual(drawing.strips[0]?.spans, [
      { offset: 0, size: GIB, kind: "gap" },
      { offset: GIB, size: GIB, kind: "pud" },
      { offset: 2 * GIB, size: 4 * MIB, kind: "pmd" },
      { offset: 2 * GIB + 4 * MIB, size: GIB - 4 * MIB, kind: "gap" },
      { offset: 3 * GIB, size: 4096, kind: "pte" },
      { offset: 3 * GIB + 4096, size: GIB - 4096, kind: "gap" },
    ]);
    assert.deepEqual(
      drawing.legend.map(({ label }) => label),
      ["1 GiB leaves", "2 MiB leaves", "4 KiB leaves", "gap"],
    );
  });

  it("has a tick wherever something begins or ends on any strip", () => {
    const drawing = drawRegion(
      testRegion(GIB),
      [
        testStrip("a", [{ offset: 0, size: MIB, leaf: 4096 }]),
        testStrip("b", [{ offset: 2 * MIB, size: 2 * MIB, leaf: 2 * MIB }]),
      ],
      model,
    );
    assert.deepEqual(drawing.ticks, [0, MIB, 2 * MIB, 4 * MIB, GIB]);
    assert.deepEqual(
      drawing.legend.map(({ kind }) => kind),
      ["pmd", "pte", "gap"],
    );
  });

  it("draws a region without areas as one gap", () => {
    const drawing = drawRegion(testRegion(GIB), [testStrip("none", [])], model);
    assert.deepEqual(drawing.strips[0]?.spans, [{ offset: 0, size: GIB, kind: "gap" }]);
  });
});
