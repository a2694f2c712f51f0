import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { KernelFacts } from "./facts.ts";
import type { KernelName } from "./kernels.ts";
import { NotInArchive } from "./not-in-archive.ts";
import { suitesWith } from "./qemu.ts";
import { castKernel } from "./roles.ts";

const silent: KernelFacts = {
  release: "7.9.1",
  pageSize: 4096,
  asks: false,
  groups: true,
  cdevs: false,
  dmaBufs: true,
  kvm: true,
  tables: true,
  testDriver: false,
  evidence: "seen",
};

/** Whatever a package has become, and a kernel of ours. */
const moved: Readonly<Record<KernelName, KernelFacts>> = {
  stock: silent,
  newest: { ...silent, cdevs: true },
  built: { ...silent, cdevs: true, kvm: false, tables: false, testDriver: true },
  "built-asking": { ...silent, asks: true, cdevs: true, kvm: false, tables: false, testDriver: true },
  "built-tables": { ...silent, asks: true, cdevs: true, testDriver: true },
  "stock-arm64": silent,
  "stock-arm64-16k": { ...silent, pageSize: 16_384 },
  "newest-arm64": silent,
  "newest-arm64-16k": { ...silent, pageSize: 16_384 },
  "built-arm64": { ...silent, pageSize: 65_536, cdevs: true, testDriver: true },
  "built-arm64-newest": { ...silent, pageSize: 65_536, cdevs: true, testDriver: true },
};

describe("castKernel", () => {
  it("takes the kernel that does it, whatever release a package has today", async () => {
    const names = await Promise.all(
      (
        [
          "asking",
          "asking-tables",
          "silent",
          "groups",
          "iommufd",
          "newest",
          "arm64-16k",
          "arm64-64k",
          "arm64-64k-newest",
        ] as const
      ).map(async (role) => (await castKernel(role, (name) => Promise.resolve(moved[name]))).name),
    );
    assert.deepEqual(names, [
      "built-asking",
      "built-tables",
      "stock",
      "stock",
      "built",
      "newest",
      "stock-arm64-16k",
      "built-arm64",
      "built-arm64-newest",
    ]);
  });

  it("says which there are where none does it", async () => {
    const without = { ...moved, stock: { ...silent, cdevs: true } };
    await assert.rejects(
      castKernel("groups", (name) => Promise.resolve(without[name])),
      (error) =>
        error instanceof NotInArchive &&
        /^no kernel as distributed, with VFIO's groups only; there are stock, 7\.9\.1: .*; newest, /.test(
          error.message,
        ),
    );
  });
});

describe("suitesWith", () => {
  it("takes the suite preferred first that has such a QEMU", () => {
    const versions = new Map([
      ["bullseye", "1:5.2+dfsg-11"],
      ["stable", "1:11.0.3+ds-1"],
      ["oldstable", "1:10.0.2+ds-2+deb13u1"],
    ]);
    const versionIn = (suites: string) => versions.get(suites) ?? null;
    assert.deepEqual(suitesWith("unaligned", versionIn), { suites: "bullseye" });
    assert.deepEqual(suitesWith("area-aligned", versionIn), { suites: "oldstable" });
    assert.deepEqual(suitesWith("region-aligned", versionIn), { suites: "stable" });
  });

  it("says what there is where none has one", () => {
    const versionIn = (suites: string) => (suites === "stable" ? "1:11.1.2+ds-1" : null);
    assert.deepEqual(suitesWith("area-aligned", versionIn), {
      absence:
        "no package of a QEMU that aligns areas: " +
        "trixie has none, stable has 1:11.1.2+ds-1, oldstable has none, oldoldstable has none",
    });
  });
});
