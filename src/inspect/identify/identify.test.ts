import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { identifyPhysical, identifySysfs, identifyVfio } from "./identify.ts";
import type { PciDevice } from "../../vfio/pci-device.ts";
import type { Vma } from "../proc/vma.ts";

const GIB = 2 ** 30;

function device(
  bdf: string,
  bars: readonly (readonly [index: number, address: bigint, size: number])[],
): PciDevice {
  return {
    bdf,
    vendor: 0x10de,
    device: 0x2342,
    class: 0x30200,
    driver: "vfio-pci",
    boundToVfio: true,
    cdev: null,
    iommuGroup: 12,
    numaNode: null,
    resources: bars.map(([index, address, size]) => ({
      index,
      kind: "memory",
      address,
      size,
      is64Bit: true,
      prefetchable: true,
    })),
  };
}

const gpu = device("0000:01:00.0", [
  [0, 0xfa000000n, 16 * 2 ** 20],
  [1, 0x380000000000n, 64 * GIB],
]);
const twin = device("0000:01:00.1", [
  [0, 0xfb000000n, 16 * 2 ** 20],
  [1, 0x381000000000n, 64 * GIB],
]);
const grace: PciDevice = {
  ...device("0009:01:00.0", [[0, 0x661002000000n, 16 * 2 ** 20]]),
  driver: "nvgrace_gpu_vfio_pci",
};

function vma(offset: bigint, size: number): Vma {
  const start = 0x7f0000000000n;
  const end = start + BigInt(size);
  return {
    start,
    end,
    size,
    perms: "rw-s",
    offset,
    dev: "00:0f",
    inode: 1n,
    path: "anon_inode:[vfio-device]",
  };
}

describe("identifyVfio", () => {
  it("reads region and place out of vfio-pci's file offset", () => {
    assert.deepEqual(identifyVfio(vma((1n << 40n) + 0x200000n, GIB), [gpu], 6012), {
      device: "0000:01:00.0",
      driver: "vfio-pci",
      region: 1,
      regionSize: 64 * GIB,
      offset: 0x200000,
      physical: 0x380000200000n,
      congruence: 0x380000200000n,
      physicalOffset: false,
    });
  });

  it("takes the offset for a physical address where that is what fits", () => {
    const identity = identifyVfio(vma(0x380000200000n, GIB), [gpu], 6001);
    assert.deepEqual([identity.region, identity.offset], [1, 0x200000]);
  });

  it("tells devices apart by their BARs", () => {
    const small = device(twin.bdf, [[1, 0x381000000000n, GIB]]);
    assert.equal(identifyVfio(vma(1n << 40n, 2 * GIB), [gpu, small], 6012).device, gpu.bdf);
    assert.equal(identifyVfio(vma(0x381000000000n, GIB), [gpu, twin], 6001).device, twin.bdf);
  });

  it("does not guess between twins, and yet knows what they share", () => {
    assert.deepEqual(identifyVfio(vma((1n << 40n) + 0x200000n, GIB), [gpu, twin], 6012), {
      device: null,
      driver: "vfio-pci",
      region: 1,
      regionSize: 64 * GIB,
      offset: 0x200000,
      physical: null,
      congruence: 0x200000n,
      physicalOffset: false,
    });
  });

  it("does not guess between the conventions: region 2, or memory at 2 TiB?", () => {
    const at2TiB = device(gpu.bdf, [
      [0, 2n << 40n, GIB],
      [2, 4n << 40n, GIB],
    ]);
    const old = identifyVfio(vma(2n << 40n, GIB), [at2TiB], 6001);
    assert.deepEqual([old.device, old.region, old.physical], [gpu.bdf, null, null]);
    assert.equal(identifyVfio(vma(2n << 40n, GIB), [at2TiB], 6012).region, 2);
  });

  it("takes an offset beyond any region for a physical address, BAR or not", () => {
    assert.deepEqual(identifyVfio(vma(0x400000000000n, 0x2f00f00000), [grace], 6019), {
      device: "0009:01:00.0",
      driver: "nvgrace_gpu_vfio_pci",
      region: null,
      regionSize: null,
      offset: null,
      physical: 0x400000000000n,
      congruence: 0x400000000000n,
      physicalOffset: true,
    });
  });

  it("knows the region but not the place of memory that the driver adds", () => {
    const identity = identifyVfio(vma(4n << 40n, 0x2f00f00000), [grace], 6019);
    assert.deepEqual([identity.region, identity.physical, identity.congruence], [4, null, null]);
    assert.equal(identifyVfio(vma(9n << 40n, GIB), [gpu], 6012).region, 9);
  });

  it("leaves open what fits nothing", () => {
    for (const offset of [5n << 40n, 7n << 40n, (1n << 40n) + BigInt(64 * GIB)]) {
      const identity = identifyVfio(vma(offset, GIB), [gpu], 6012);
      assert.deepEqual([identity.region, identity.physical, identity.congruence], [null, null, null]);
    }
    assert.equal(identifyVfio(vma(1n << 40n, GIB), [], 6012).device, null);
  });
});

describe("identifySysfs", () => {
  const file = { kind: "sysfs", device: gpu.bdf, region: 1, file: "resource1" } as const;

  it("takes the kernel's physical offset and the file's own", () => {
    assert.equal(identifySysfs(vma(0x380000200000n, GIB), file, gpu).offset, 0x200000);
    assert.equal(identifySysfs(vma(0x200000n, GIB), file, gpu).physical, 0x380000200000n);
  });

  it("names the device even where sysfs has nothing about it", () => {
    const identity = identifySysfs(vma(0n, GIB), file, null);
    assert.deepEqual([identity.device, identity.region, identity.physical], [gpu.bdf, 1, null]);
    const unplaced = identifySysfs(vma(0n, 65 * GIB), file, gpu);
    assert.deepEqual([unplaced.regionSize, unplaced.physical], [64 * GIB, null]);
  });
});

describe("identifyPhysical", () => {
  it("finds the BAR, or keeps the bare address", () => {
    assert.equal(identifyPhysical(0xfb001000n, 4096, [gpu, twin]).device, twin.bdf);
    assert.deepEqual(identifyPhysical(0xf0000n, 4096, [gpu]).physical, 0xf0000n);
    assert.equal(identifyPhysical(0xf0000n, 4096, [gpu]).device, null);
  });
});
