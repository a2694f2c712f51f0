import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseArea } from "../layout/area-text.ts";
import { parseIndex, parseRegion, parseRegionArea } from "./values.ts";

describe("the values of options", () => {
  it("reads areas and regions", () => {
    assert.deepEqual(parseArea("--area", "6M:32G"), { offset: 6 * 2 ** 20, size: 2 ** 35 });
    assert.deepEqual(parseRegion("--region", "2:0x4000000000"), { index: 2, size: 0x4000000000 });
    assert.deepEqual(parseRegionArea("--area", "2:0:0x2f00f00000"), {
      index: 2,
      area: { offset: 0, size: 0x2f00f00000 },
    });
    assert.equal(parseIndex("--region", "5"), 5);
  });

  it("refuses other forms, naming the option", () => {
    const refusals = [
      () => parseArea("--area", "4K"),
      () => parseArea("--area", "1:2:3"),
      () => parseArea("--area", "x:4K"),
      () => parseRegion("--region", "-1:4K"),
      () => parseRegion("--region", "2:"),
      () => parseRegionArea("--area", "0:4K"),
      () => parseIndex("--region", "two"),
      () => parseIndex("--region", "9999999999"),
    ];
    for (const refusal of refusals) {
      assert.throws(refusal, { code: "ERR_ARGUMENT", message: /--(?:area|region)/ });
    }
  });
});
