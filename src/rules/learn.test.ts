import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gateByRule } from "./gate.ts";
import { hangsOnKernel, learn, lookOf, type SeenMapping } from "./learn.ts";
import { NOTHING_LEARNED, type LearnedKernel } from "./learned.ts";

/** QEMU's, on a kernel whose name says that device memory may have huge leaves, and not whether it asks the setting. */
const mapping: SeenMapping = {
  kernel: "6.17.0-1014-nvidia",
  arch: "x86_64",
  enabled: "never",
  advised: true,
  driver: "vfio-pci",
  region: 2,
  eligible: null,
  suitable: true,
};
/** Nothing of its name decides. */
const backported = { kernel: "5.14.0-570.el9.x86_64" } as const;

function shownBy(of: Partial<SeenMapping>, before = NOTHING_LEARNED): string {
  const { asks, hugeLeaves } = learn(before, { ...mapping, ...of });
  return `${asks} ${JSON.stringify(hugeLeaves)}`;
}

describe("learn", () => {
  it("takes a huge leaf against the setting for a kernel that does not ask it", () => {
    assert.equal(shownBy({ eligible: true }), 'false {"vfio-pci":true}');
    assert.equal(shownBy({ eligible: true, enabled: "madvise", advised: false }), 'false {"vfio-pci":true}');
    assert.equal(shownBy({ ...backported, eligible: true }), 'false {"vfio-pci":true}');
  });

  it("takes none against the setting for one that asks, where there would be one otherwise", () => {
    assert.equal(shownBy({ eligible: false }), "true {}");
    // It may have none at all.
    assert.equal(shownBy({ ...backported, eligible: false }), "null {}");
    const has: LearnedKernel = { ...NOTHING_LEARNED, hugeLeaves: { "vfio-pci": true } };
    assert.equal(shownBy({ ...backported, eligible: false }, has), 'true {"vfio-pci":true}');
  });

  it("takes one that the setting grants for no word about the setting, and none for no huge leaves at all", () => {
    assert.equal(shownBy({ ...backported, enabled: "always", eligible: true }), 'null {"vfio-pci":true}');
    assert.equal(shownBy({ ...backported, enabled: "always", eligible: false }), 'null {"vfio-pci":false}');
    assert.equal(shownBy({ ...backported, enabled: "madvise", eligible: false }), 'null {"vfio-pci":false}');
  });

  it("learns nothing from what may have another cause", () => {
    const nothing = "null {}";
    const granted = { ...backported, enabled: "always", eligible: false } as const;
    for (const of of [
      { suitable: false },
      { forbidden: true },
      { disabled: "all" },
      // A process may have turned off what it did not advise, on a kernel whose name does not deny it.
      { advised: false },
      { eligible: null },
      { way: "uio" },
    ] as const) {
      assert.equal(shownBy({ ...granted, ...of }), nothing, JSON.stringify(of));
    }
    assert.equal(shownBy({ ...granted, kernel: "6.12.107", advised: false }), 'null {"vfio-pci":false}');
  });

  it("keeps drivers with huge faults of their own apart", () => {
    const driver = "nvgrace-gpu-vfio-pci";
    assert.equal(shownBy({ eligible: true, driver, region: 4 }), `false {"${driver}":true}`);
    assert.equal(shownBy({ eligible: true, driver, region: 0 }), 'false {"vfio-pci":true}');
  });

  it("makes the gate known for everybody, or known to hang on advice", () => {
    const silent = learn(NOTHING_LEARNED, { ...mapping, eligible: true });
    const asking = learn(NOTHING_LEARNED, { ...mapping, eligible: false });
    const unadvised = { ...mapping, enabled: "madvise", advised: null } as const;
    assert.equal(gateByRule(unadvised).cause, "advice-unknown");
    assert.deepEqual(gateByRule(unadvised, silent), { gate: "open", cause: null });
    assert.deepEqual(gateByRule(unadvised, asking), { gate: "unknown", cause: "advice-unknown" });
    assert.deepEqual(gateByRule(mapping, asking), { gate: "closed", cause: "thp-gate" });
  });
});

describe("hangsOnKernel", () => {
  const hangs = (of: Partial<SeenMapping>, learned = NOTHING_LEARNED): boolean =>
    hangsOnKernel({ ...mapping, ...of }, learned);

  it("is where a reading could settle it", () => {
    assert.equal(hangs({}), true);
    assert.equal(hangs({ ...backported, enabled: "always" }), true);
    assert.equal(hangs({ enabled: "madvise", advised: null }), true);
    assert.equal(hangs({ driver: "nvidia-vgpu-vfio" }), true);
  });

  it("is not where nothing would, or something has", () => {
    assert.equal(hangs({}, { ...NOTHING_LEARNED, asks: true }), false);
    assert.equal(hangs({ enabled: "always" }), false, "its name says that it has huge leaves");
    assert.equal(hangs({ kernel: "6.12.107", enabled: "madvise", advised: null }), false, "advice decides");
    assert.equal(hangs({ enabled: null }), false, "the setting cannot be read");
    assert.equal(hangs({ disabled: "all" }), false);
  });

  it("looks at the same once under one setting, for one driver", () => {
    assert.equal(lookOf(mapping), lookOf({ ...mapping, region: 0, advised: null, driver: "mlx5_vfio_pci" }));
    assert.notEqual(lookOf(mapping), lookOf({ ...mapping, enabled: "madvise" }));
    assert.notEqual(lookOf(mapping), lookOf({ ...mapping, driver: "nvidia-vgpu-vfio" }));
  });
});
