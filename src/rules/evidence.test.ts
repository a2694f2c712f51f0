import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pagingModels } from "../layout/paging.ts";
import { GIB, MIB } from "../layout/sizes.ts";
import { canBeEligible, gateOfMapping, worthOfSmaps, type MappingState } from "./evidence.ts";

const model = pagingModels["x86-64"];
const mapping: MappingState = {
  kernel: "6.14.0-24-generic",
  arch: "x86_64",
  enabled: "madvise",
  advised: false,
  driver: "vfio-pci",
  region: 0,
  eligible: null,
  suitable: true,
  physicalOffset: false,
};

function shownAs(state: Partial<MappingState>): string {
  const { gate, cause, evidence, source } = gateOfMapping({ ...mapping, ...state });
  return [gate, cause ?? "-", evidence, source].join(" ");
}

describe("gateOfMapping", () => {
  it("takes the kernel's word where there is one", () => {
    assert.equal(shownAs({}), "unknown kernel-unknown rule version");
    assert.equal(shownAs({ eligible: true }), "open - kernel THPeligible");
    assert.equal(shownAs({ eligible: false }), "closed thp-gate kernel THPeligible");
    const rhel = { kernel: "5.14.0-570.el9.x86_64", enabled: "always", advised: true } as const;
    assert.equal(shownAs({ ...rhel, eligible: true }), "open - kernel THPeligible");
    assert.equal(shownAs({ ...rhel, eligible: false }), "closed no-huge-pfnmap kernel THPeligible");
    // A driver from elsewhere.
    assert.equal(shownAs({ driver: "nvidia-vgpu-vfio", eligible: true }), "open - kernel THPeligible");
    assert.equal(
      shownAs({ driver: "nvidia-vgpu-vfio", eligible: false }),
      "closed no-huge-pfnmap kernel THPeligible",
    );
  });

  it("finds the cause of what the kernel says", () => {
    const newest = { kernel: "7.3.4", enabled: "always", eligible: false } as const;
    assert.equal(shownAs({ ...newest, forbidden: true }), "closed advice-never kernel THPeligible");
    assert.equal(shownAs({ ...newest, disabled: "all" }), "closed thp-process kernel THPeligible");
    // "Except advised" is in no file: what was not advised, and would be open otherwise, tells.
    assert.equal(shownAs(newest), "closed thp-process kernel THPeligible");
    assert.equal(shownAs({ ...newest, advised: true }), "closed no-huge-pfnmap kernel THPeligible");
  });

  it("hears nothing about the gate where address or length keep the kernel from it", () => {
    assert.equal(shownAs({ kernel: "7.3.4", eligible: false, suitable: false }), "open - rule version");
  });

  it("knows a driver without huge faults by the physical address in the offset", () => {
    const offset = { kernel: "6.8.0-87-generic", physicalOffset: true };
    assert.equal(shownAs(offset), "absent no-huge-pfnmap kernel file-offset");
    assert.equal(shownAs({ ...offset, driver: "vfio-platform" }), "absent no-huge-pfnmap kernel file-offset");
    // nvgrace-gpu wrote over it before and after it had huge faults.
    const grace = { ...offset, driver: "nvgrace-gpu-vfio-pci", region: null, enabled: "always" } as const;
    assert.equal(shownAs({ ...grace, kernel: "6.19.0" }), "open - rule version");
    assert.equal(shownAs({ ...grace, kernel: "6.12.107" }), "absent no-huge-pfnmap rule version");
    assert.equal(
      shownAs({ ...grace, kernel: "6.17.0-1014-nvidia-64k" }),
      "unknown kernel-unknown rule version",
    );
    assert.equal(shownAs({ ...offset, driver: null }), "unknown kernel-unknown rule version");
    // Whatever wrote over it on a kernel with huge faults is not vfio-pci.
    const newer = { ...offset, driver: null, kernel: "6.19.0", enabled: "always" } as const;
    assert.equal(shownAs(newer), "unknown driver-unknown rule version");
    assert.equal(shownAs({ ...newer, eligible: true }), "open - kernel THPeligible");
    assert.equal(shownAs({ ...offset, driver: "nvidia-vgpu-vfio" }), "unknown kernel-unknown rule version");
    // Of /dev/mem, each offset is.
    assert.equal(shownAs({ ...offset, way: "mem" }), "absent no-huge-pfnmap rule version");
  });
});

describe("canBeEligible", () => {
  const start = 0x7f0000000000n;

  it("wants a block of a PMD's size, and address and offset congruent", () => {
    const offset = 1n << 40n;
    assert.equal(canBeEligible({ start, size: 2 * MIB, offset }, model), true);
    assert.equal(canBeEligible({ start, size: 2 * MIB - 4096, offset }, model), false);
    assert.equal(canBeEligible({ start: start + 0x1000n, size: 16 * GIB, offset }, model), false);
    assert.equal(
      canBeEligible({ start: start + 0x1000n, size: 16 * GIB, offset: offset + 0x1000n }, model),
      true,
    );
    assert.equal(
      canBeEligible({ start: start + 0x1000n, size: 3 * MIB, offset: offset + 0x1000n }, model),
      false,
    );
  });
});

describe("worthOfSmaps", () => {
  const place = { start: 0x7f0000000000n, size: GIB, offset: 0n };
  const worth = (state: Partial<MappingState>, size = GIB): string =>
    worthOfSmaps({ ...mapping, ...state }, { ...place, size }, model);

  it("is needed where names leave a doubt, and cheap where only hidden advice could close the gate", () => {
    assert.equal(worth({ advised: null }), "needed");
    assert.equal(worth({ kernel: "5.14.0-570.el9.x86_64", advised: null }), "needed");
    assert.equal(worth({ kernel: "7.3.4", advised: null }), "cheap");
  });

  it("is none where nothing would change", () => {
    assert.equal(worth({ kernel: "6.6.120" }), "useless");
    assert.equal(worth({ kernel: "6.12.107", enabled: "never" }), "useless");
    assert.equal(worth({ advised: null }, MIB), "useless");
    assert.equal(worth({ way: "sysfs" }), "useless");
    assert.equal(worth({ way: "vfio-user" }), "useless");
    assert.equal(worth({ kernel: "6.8.0-87-generic", physicalOffset: true }), "useless");
  });
});
