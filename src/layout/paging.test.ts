import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { kernelArch, leafSizes, modelFor, pagingModels } from "./paging.ts";
import { GIB, KIB, MIB } from "./sizes.ts";

describe("pagingModels", () => {
  it("have tables of eight-byte entries", () => {
    for (const [name, model] of Object.entries(pagingModels)) {
      assert.equal(model.name, name);
      assert.equal(model.pmdSize, model.pageSize * (model.pteTableSize / 8));
      assert.equal(model.pudSize, model.pmdSize * (model.pmdTableSize / 8));
    }
  });
});

describe("leafSizes", () => {
  it("lists what device memory can have, large to small", () => {
    assert.deepEqual(leafSizes(pagingModels["x86-64"]), [GIB, 2 * MIB, 4 * KIB]);
    assert.deepEqual(leafSizes(pagingModels["arm64-4k"]), [2 * MIB, 4 * KIB]);
    assert.deepEqual(leafSizes(pagingModels["arm64-16k"]), [32 * MIB, 16 * KIB]);
    assert.deepEqual(leafSizes(pagingModels["arm64-64k"]), [512 * MIB, 64 * KIB]);
    assert.deepEqual(leafSizes(pagingModels.riscv64), [GIB, 2 * MIB, 4 * KIB]);
    assert.deepEqual(leafSizes(pagingModels["ppc64-radix-4k"]), [GIB, 2 * MIB, 4 * KIB]);
    assert.deepEqual(leafSizes(pagingModels["ppc64-radix-64k"]), [GIB, 2 * MIB, 64 * KIB]);
  });
});

describe("modelFor", () => {
  it("finds each model by the kernel's name of the architecture and page size", () => {
    assert.equal(modelFor("x86_64", 4 * KIB), pagingModels["x86-64"]);
    assert.equal(modelFor("aarch64", 4 * KIB), pagingModels["arm64-4k"]);
    assert.equal(modelFor("aarch64", 16 * KIB), pagingModels["arm64-16k"]);
    assert.equal(modelFor("aarch64", 64 * KIB), pagingModels["arm64-64k"]);
    assert.equal(modelFor("riscv64", 4 * KIB), pagingModels.riscv64);
    assert.equal(modelFor("ppc64le", 64 * KIB), pagingModels["ppc64-radix-64k"]);
    assert.equal(modelFor("ppc64", 4 * KIB), pagingModels["ppc64-radix-4k"]);
  });

  it("knows no model of other machines", () => {
    for (const [arch, pageSize] of [
      ["x86_64", 64 * KIB],
      ["aarch64", 8 * KIB],
      ["loongarch64", 16 * KIB],
      ["armv7l", 4 * KIB],
      ["", 4 * KIB],
      ["constructor", 4 * KIB],
    ] as const) {
      assert.equal(modelFor(arch, pageSize), null, arch);
    }
    // POWER's hash tables: transparent huge pages of 16 MiB.
    assert.equal(modelFor("ppc64le", 64 * KIB, 16 * MIB), null);
    assert.equal(modelFor("ppc64le", 64 * KIB, 2 * MIB), pagingModels["ppc64-radix-64k"]);
  });
});

describe("kernelArch", () => {
  it("turns Node's names into the kernel's", () => {
    assert.deepEqual(["x64", "arm64", "ppc64", "riscv64", "s390x", "constructor"].map(kernelArch), [
      "x86_64",
      "aarch64",
      "ppc64le",
      "riscv64",
      "s390x",
      "constructor",
    ]);
  });
});
