import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GIB, KIB, MIB } from "./sizes.ts";
import { areaAlignment, regionAlignment, strategies, strategyAlignment } from "./strategies.ts";

describe("regionAlignment", () => {
  it("is the next power of two, at most 1 GiB", () => {
    assert.equal(regionAlignment(0x4000000000), GIB);
    assert.equal(regionAlignment(GIB + 1), GIB);
    assert.equal(regionAlignment(GIB), GIB);
    assert.equal(regionAlignment(GIB - 4096), GIB);
    assert.equal(regionAlignment(3 * MIB), 4 * MIB);
    assert.equal(regionAlignment(2 ** 53 - 1), GIB);
    assert.equal(regionAlignment(1), 1);
    assert.equal(regionAlignment(0), 1);
  });
});

describe("areaAlignment", () => {
  it("is the largest power of two that divides the size, at most 1 GiB", () => {
    assert.equal(areaAlignment(0x2f00f00000), MIB);
    assert.equal(areaAlignment(32 * GIB), GIB);
    assert.equal(areaAlignment(3 * MIB), MIB);
    assert.equal(areaAlignment(4096), 4096);
  });
});

describe("strategyAlignment", () => {
  const region = {
    size: 128 * GIB,
    areas: [
      { offset: 0, size: 32 * GIB },
      { offset: 64 * GIB, size: 3 * MIB },
    ],
  };

  it("promises what each strategy does", () => {
    assert.equal(strategyAlignment("none", region, 4096), 4096);
    assert.equal(strategyAlignment("area", region, 4096), MIB);
    assert.equal(strategyAlignment("region", region, 4096), GIB);
    assert.equal(strategyAlignment("physical", region, 4096), GIB);
  });

  it("is never below the page size, whatever the region", () => {
    for (const size of [0, 1, 4096]) {
      for (const strategy of strategies)
        assert.equal(strategyAlignment(strategy, { size, areas: [] }, 64 * KIB), 64 * KIB);
    }
  });

  it("takes more areas than a call takes arguments", () => {
    const areas = Array.from({ length: 300_000 }, (_, i) => ({ offset: i * 8192, size: 8192 }));
    assert.equal(strategyAlignment("area", { size: 300_000 * 8192, areas }, 4096), 8192);
  });
});
