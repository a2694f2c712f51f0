import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { leafSizes, modelFor, pagingModels } from "./paging.ts";
import { GIB, KIB, MIB } from "./sizes.ts";

describe("pagingModels", () => {
  it("have tables that fill one page with 8-byte entries", () => {
    for (const [name, model] of Object.entries(pagingModels)) {
      assert.equal(model.name, name);
      const entries = model.pageSize / 8;
      assert.equal(model.pmdSize, model.pageSize * entries);
      assert.equal(model.pudSize, model.pmdSize * entries);
    }
  });
});

describe("leafSizes", () => {
  it("lists what device memory can have, large to small", () => {
    assert.deepEqual(leafSizes(pagingModels["x86-64"]), [GIB, 2 * MIB, 4 * KIB]);
    assert.deepEqual(leafSizes(pagingModels["arm64-4k"]), [2 * MIB, 4 * KIB]);
    assert.deepEqual(leafSizes(pagingModels["arm64-16k"]), [32 * MIB, 16 * KIB]);
    assert.deepEqual(leafSizes(pagingModels["arm64-64k"]), [512 * MIB, 64 * KIB]);
  });
});

describe("modelFor", () => {
  it("finds each model by process.arch and page size", () => {
    assert.equal(modelFor("x64", 4 * KIB), pagingModels["x86-64"]);
    assert.equal(modelFor("arm64", 4 * KIB), pagingModels["arm64-4k"]);
    assert.equal(modelFor("arm64", 16 * KIB), pagingModels["arm64-16k"]);
    assert.equal(modelFor("arm64", 64 * KIB), pagingModels["arm64-64k"]);
  });

  it("knows no model of other machines", () => {
    for (const [arch, pageSize] of [
      ["x64", 64 * KIB],
      ["arm64", 8 * KIB],
      ["ppc64", 64 * KIB],
      ["arm", 4 * KIB],
      ["", 4 * KIB],
      ["constructor", 4 * KIB],
    ] as const) {
      assert.equal(modelFor(arch, pageSize), null, arch);
    }
  });
});
