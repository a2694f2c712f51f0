import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pagingModels } from "../../../layout/paging.ts";
import { drawRegion } from "./drawing.ts";
import { figuresOf, stripInWords } from "./figures.ts";
import { testRegion, testStrip } from "./strip.fixture.ts";

const model = pagingModels["x86-64"];
const small = { ...testStrip("none", [{ offset: 0, size: 2 ** 30, leaf: 4096 }]), pageTableBytes: 2 ** 21 };
const huge = { ...testStrip("region", [{ offset: 0, size: 2 ** 30, leaf: 2 ** 30 }]), pageTableBytes: 0 };
const drawing = drawRegion(testRegion(2 ** 30), [small, huge, small], model);

describe("figuresOf", () => {
  it("compares each strip with the first", () => {
    const compared = drawing.strips.map((strip) =>
      figuresOf(strip, drawing).figures.map(({ value, compared }) => [value, compared]),
    );
    assert.deepEqual(compared, [
      [
        ["262,144", ""],
        ["2 MiB", ""],
      ],
      [
        ["1", "262,144 × fewer than none"],
        ["0 B", "less than none"],
      ],
      [
        ["262,144", "same as none"],
        ["2 MiB", "same as none"],
      ],
    ]);
  });

  it("says where something is worse", () => {
    const turned = drawRegion(testRegion(2 ** 30), [huge, small], model);
    const [, second] = turned.strips;
    assert.deepEqual(second && figuresOf(second, turned).figures.map(({ compared }) => compared), [
      "262,144 × more than region",
      "more than region",
    ]);
  });
});

describe("stripInWords", () => {
  it("says everything that the picture shows in numbers", () => {
    const [first] = drawing.strips;
    assert.equal(
      first && stripInWords(first),
      "none, about none: 262,144 leaves of 4 KiB; 262,144 faults, 2 MiB of page tables",
    );
  });
});
