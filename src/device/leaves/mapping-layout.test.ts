import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pagingModels } from "../../layout/paging.ts";
import { GIB, MIB } from "../../layout/sizes.ts";
import { NOTHING_LEARNED } from "../../rules/learned.ts";
import type { HostKernel } from "./host-kernel.ts";
import { predictDeviceLeaves, type LaidMapping, type MappingLayout } from "./mapping-layout.ts";
import { region } from "./mapped-region.fixture.ts";

// No address of this process: its smaps says nothing of it.
const mapping: LaidMapping = {
  region,
  areas: [{ offset: 0, size: 4 * GIB, address: 0x10000000000n }],
  advised: true,
  guarded: false,
};
const kernel: HostKernel = {
  release: "7.3.4",
  arch: "x86_64",
  pageSize: 4096,
  model: pagingModels["x86-64"],
  thpEnabled: "madvise",
  withoutThp: false,
  thpDisabled: null,
  shmemEnabled: "never",
  memory: { learned: NOTHING_LEARNED },
};

function layoutOf(of: Partial<HostKernel>, from: Partial<LaidMapping> = {}): MappingLayout {
  return predictDeviceLeaves({ ...mapping, ...from }, { ...kernel, ...of });
}

describe("a mapping's layout", () => {
  it("follows the kernel's rules, as inspect does", () => {
    const told = (...from: Parameters<typeof layoutOf>) => {
      const { gate, doubts, faults } = layoutOf(...from);
      return [gate, doubts.join(" "), faults];
    };
    const pages = 4 * 2 ** 18;
    assert.deepEqual(told({}), ["open", "", 4]);
    assert.deepEqual(told({ release: "6.11.11" }), ["absent", "", pages]);
    assert.deepEqual(told({ release: "6.12.107" }, { advised: false }), ["closed", "", pages]);
    assert.deepEqual(told({ withoutThp: true, thpEnabled: null }), ["absent", "", pages]);
    assert.deepEqual(told({}, { guarded: true }), ["closed", "", pages]);
    assert.deepEqual(told({ thpDisabled: "all" }), ["closed", "", pages]);
    assert.deepEqual(told({ thpDisabled: "except-advised" }), ["open", "", 4]);
    assert.deepEqual(told({ thpDisabled: "except-advised" }, { advised: false }), ["closed", "", pages]);
  });

  it("knows the driver that maps", () => {
    const grace = { ...region, driver: "nvgrace-gpu-vfio-pci", physical: 0x400000000000n };
    const own = [{ offset: 0, size: 4 * GIB, address: 0x10000000000n }];
    const gateOf = (release: string, index: number): string =>
      layoutOf({ release, thpEnabled: "always" }, { region: { ...grace, index }, areas: own }).gate;
    assert.deepEqual(
      [gateOf("6.12.107", 4), gateOf("6.12.107", 0), gateOf("6.19.0", 4)],
      ["absent", "open", "open"],
    );
    assert.equal(layoutOf({}, { region: { ...region, driver: "vfio-platform" } }).gate, "absent");
  });

  it("says so where a driver's own memory may lie anywhere", () => {
    const grace = { ...region, index: 4, driver: "nvgrace-gpu-vfio-pci", physical: null };
    const { doubts, leaves, worst } = layoutOf({}, { region: grace });
    assert.deepEqual(doubts, ["physical-unknown"]);
    assert.deepEqual([leaves, worst?.leaves], [[{ size: GIB, count: 4 }], [{ size: 4096, count: 2 ** 20 }]]);
    // A BAR lies at a multiple of its size.
    assert.deepEqual(layoutOf({}, { region: { ...region, physical: null } }).doubts, []);
  });

  it("is pages where page tables are not known and no kernel has huge leaves", () => {
    for (const [arch, pageSize] of [
      ["i686", 4096],
      ["s390x", 4096],
      ["loongarch64", 16_384],
    ] as const) {
      const pages = { size: pageSize, count: (4 * GIB) / pageSize };
      const layout = { leaves: [pages], faults: pages.count, pageTableBytes: null, doubts: [], worst: null };
      const spans = [[{ offset: 0, size: 4 * GIB, leaf: pageSize }]];
      assert.deepEqual(
        layoutOf({ arch, pageSize, model: null }),
        { ...layout, spans, model: null, gate: "absent", evidence: "rule" },
        arch,
      );
    }
    // A page size that no such kernel is built with: nothing is claimed.
    const odd = { arch: "aarch64", pageSize: 8192, model: null };
    assert.throws(() => layoutOf(odd), { code: "ERR_NOT_SUPPORTED", message: /aarch64 with pages of 8192/ });
    assert.equal(layoutOf({ ...odd, release: "6.6.1" }).gate, "absent");
  });

  it("has the best figures, the worst, and why, where the version does not decide", () => {
    const { gate, evidence, doubts, faults, worst } = layoutOf({ release: "5.14.0-570.el9.x86_64" });
    assert.deepEqual([gate, evidence, doubts], ["unknown", "rule", ["thp-gate", "touch-order"]]);
    assert.deepEqual([faults, worst?.faults], [4, 4 * 2 ** 18]);
    assert.deepEqual(layoutOf({ release: "6.12.12" }).doubts, ["touch-order"]);
    const misaligned = [{ offset: 0, size: 4 * GIB, address: 0x10000000000n + BigInt(MIB) }];
    assert.deepEqual(layoutOf({ release: "6.12.5" }, { areas: misaligned }).doubts, ["wrong-memory"]);
    // What is emulated has none of that.
    const emulated = { ...region, backing: "shared-memory", driver: null } as const;
    assert.deepEqual(layoutOf({ release: "6.12.12" }, { region: emulated }).doubts, []);
  });
});
