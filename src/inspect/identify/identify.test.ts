import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { identifyDmabuf, identifyVfio } from "./identify.ts";
import { identifyPhysical, identifySysfs } from "./identify-physical.ts";
import type { Identity } from "./identity.ts";
import { otherCandidate } from "./candidate.ts";
import type { PciDevice } from "../../vfio/sysfs/pci-device.ts";
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
    ownMemory: null,
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

function identify(mapping: Vma, devices: readonly PciDevice[], kernelVersion: number): Identity {
  const candidates = devices.map((pci) => ({ kind: "pci", name: pci.bdf, driver: pci.driver, pci }) as const);
  return identifyVfio(mapping, candidates, { kernelVersion, pageSize: 4096 });
}

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
    assert.deepEqual(identify(vma((1n << 40n) + 0x200000n, GIB), [gpu], 6012), {
      device: "0000:01:00.0",
      driver: "vfio-pci",
      region: 1,
      regionSize: 64 * GIB,
      offset: 0x200000,
      physical: 0x380000200000n,
      congruence: 0x380000200000n,
      physicalOffset: false,
      couldBe: [],
      blind: false,
    });
  });

  it("takes the offset for a physical address where that is what fits", () => {
    const identity = identify(vma(0x380000200000n, GIB), [gpu], 6001);
    assert.deepEqual([identity.region, identity.offset], [1, 0x200000]);
  });

  it("tells devices apart by their BARs", () => {
    const small = device(twin.bdf, [[1, 0x381000000000n, GIB]]);
    assert.equal(identify(vma(1n << 40n, 2 * GIB), [gpu, small], 6012).device, gpu.bdf);
    assert.equal(identify(vma(0x381000000000n, GIB), [gpu, twin], 6001).device, twin.bdf);
  });

  it("does not guess between twins, and yet knows what they share", () => {
    assert.deepEqual(identify(vma((1n << 40n) + 0x200000n, GIB), [gpu, twin], 6012), {
      device: null,
      driver: "vfio-pci",
      region: 1,
      regionSize: 64 * GIB,
      offset: 0x200000,
      physical: null,
      congruence: 0x200000n,
      physicalOffset: false,
      couldBe: ["0000:01:00.0", "0000:01:00.1"],
      blind: false,
    });
  });

  it("does not guess between the conventions: region 2, or memory at 2 TiB?", () => {
    const at2TiB = device(gpu.bdf, [
      [0, 2n << 40n, GIB],
      [2, 4n << 40n, GIB],
    ]);
    const old = identify(vma(2n << 40n, GIB), [at2TiB], 6001);
    assert.deepEqual([old.device, old.region, old.physical], [gpu.bdf, null, null]);
    assert.equal(identify(vma(2n << 40n, GIB), [at2TiB], 6012).region, 2);
  });

  it("takes an offset beyond any region for a physical address, BAR or not", () => {
    assert.deepEqual(identify(vma(0x400000000000n, 0x2f00f00000), [grace], 6019), {
      device: "0009:01:00.0",
      driver: "nvgrace_gpu_vfio_pci",
      region: null,
      regionSize: null,
      offset: null,
      physical: 0x400000000000n,
      congruence: 0x400000000000n,
      physicalOffset: true,
      couldBe: [],
      blind: false,
    });
  });

  it("finds the BAR at an offset beyond any region, whatever driver and kernel", () => {
    const own = {
      ...device("0000:00:10.0", [[2, 0x400000000000n, 256 * GIB]]),
      driver: "of-an-other-tree",
    };
    for (const kernelVersion of [6001, 6012, 7003]) {
      const identity = identify(vma(0x400000000000n, 0x2f00f00000), [own, gpu], kernelVersion);
      assert.deepEqual(
        [identity.device, identity.region, identity.regionSize, identity.offset],
        [own.bdf, 2, 256 * GIB, 0],
      );
      assert.deepEqual([identity.physical, identity.physicalOffset], [0x400000000000n, true]);
    }
    // It ends past the BAR: the address is known all the same, and the BAR is not it.
    const past = identify(vma(0x403f00000000n, 0x2f00f00000), [own], 7003);
    assert.deepEqual([past.region, past.physical], [null, 0x403f00000000n]);
  });

  it("knows the region but not the place of memory that the driver adds", () => {
    const identity = identify(vma(4n << 40n, 0x2f00f00000), [grace], 6019);
    assert.deepEqual([identity.region, identity.physical, identity.congruence], [4, null, null]);
    assert.equal(identify(vma(9n << 40n, GIB), [gpu], 6012).region, 9);
  });

  it("knows the place of that memory where the device tree tells it, by index and by physical address", () => {
    const told = { ...grace, ownMemory: { address: 0x400000000000n, size: 0x2f00f00000 } };
    const see = (offset: bigint, size: number, devices = [told]) => {
      const { region, regionSize, offset: at, physical } = identify(vma(offset, size), devices, 6019);
      return [region, regionSize, at, physical];
    };
    for (const offset of [0x400000000000n, 4n << 40n]) {
      for (const size of [0x2f00f00000, GIB])
        assert.deepEqual(see(offset, size), [4, 256 * GIB, 0, 0x400000000000n]);
    }
    // What may be kept apart is the end of the one or all of the other.
    const end = 187n * BigInt(GIB);
    assert.deepEqual(see(0x400000000000n + end, GIB), [null, null, null, 0x400000000000n + end]);
    assert.deepEqual(see((4n << 40n) + end, GIB), [4, 256 * GIB, Number(end), 0x400000000000n + end]);
    assert.deepEqual(see(2n << 40n, GIB), [2, 2 * GIB, 0, 0x400000000000n + end]);
    // Or a BAR of the device's.
    const bar = { ...told, resources: device("x", [[2, 0x662000000000n, GIB]]).resources };
    assert.deepEqual(see(2n << 40n, GIB, [bar]), [2, null, 0, null]);
    assert.deepEqual(see(0n, 16 * 2 ** 20, [told]), [0, 16 * 2 ** 20, 0, 0x661002000000n]);
  });

  it("knows a BAR smaller than a page, which the kernel maps as a whole one", () => {
    const small = device("0006:01:00.0", [[0, 0x630040010000n, 16 * 1024]]);
    const candidates = [{ kind: "pci", name: small.bdf, driver: small.driver, pci: small } as const];
    for (const [kernelVersion, offset] of [
      [6012, 0n],
      [6001, 0n],
      [6001, 0x630040010000n],
    ] as const) {
      const rules = { kernelVersion, pageSize: 65536 };
      const { region, physical } = identifyVfio(vma(offset, 65536), candidates, rules);
      assert.deepEqual([region, physical], [0, 0x630040010000n]);
    }
    // Not two pages, and not on a machine with smaller ones.
    assert.equal(
      identifyVfio(vma(0n, 131072), candidates, { kernelVersion: 6012, pageSize: 65536 }).region,
      null,
    );
    assert.equal(identify(vma(0n, 65536), [small], 6012).region, null);
  });

  it("knows the last page of a BAR that does not end on one", () => {
    const odd = device("0000:02:00.0", [[2, 0xfd000000n, 0x2400]]);
    assert.equal(identify(vma((2n << 40n) + 0x2000n, 4096), [odd], 6012).region, 2);
  });

  it("knows devices that are not on PCI", () => {
    const rules = { kernelVersion: 6018, pageSize: 4096 };
    const fpga = otherCandidate("/sys/devices/platform/axi/a0000000.fpga", null);
    const platform = identifyVfio(vma(0xa0000000n, 2 ** 26), [fpga], rules);
    assert.deepEqual(
      [platform.device, platform.driver, platform.region, platform.offset, platform.physical],
      ["a0000000.fpga", "vfio-platform", 0, 0, 0xa0000000n],
    );
    const uuid = "0b5fd3fb-2389-4a22-ba70-52969a26b9d5";
    const mediated = identifyVfio(vma(1n << 40n, 2 ** 28), [otherCandidate(uuid, "nvidia-vgpu-vfio")], rules);
    assert.deepEqual(
      [mediated.device, mediated.driver, mediated.region, mediated.physical],
      [uuid, "nvidia-vgpu-vfio", 1, null],
    );
  });

  it("leaves open what fits nothing", () => {
    for (const offset of [5n << 40n, 7n << 40n, (1n << 40n) + BigInt(64 * GIB)]) {
      const identity = identify(vma(offset, GIB), [gpu], 6012);
      assert.deepEqual([identity.region, identity.physical, identity.congruence], [null, null, null]);
    }
    assert.equal(identify(vma(1n << 40n, GIB), [], 6012).device, null);
  });
});

describe("identifySysfs", () => {
  const file = { kind: "sysfs", device: gpu.bdf, region: 1, file: "resource1" } as const;

  it("takes the kernel's physical offset and the file's own", () => {
    assert.equal(identifySysfs(vma(0x380000200000n, GIB), file, gpu, 4096).offset, 0x200000);
    assert.equal(identifySysfs(vma(0x200000n, GIB), file, gpu, 4096).physical, 0x380000200000n);
  });

  it("names the device even where sysfs has nothing about it", () => {
    const identity = identifySysfs(vma(0n, GIB), file, null, 4096);
    assert.deepEqual([identity.device, identity.region, identity.physical], [gpu.bdf, 1, null]);
    const unplaced = identifySysfs(vma(0n, 65 * GIB), file, gpu, 4096);
    assert.deepEqual([unplaced.regionSize, unplaced.physical], [64 * GIB, null]);
  });
});

describe("identifyDmabuf", () => {
  const rules = { kernelVersion: 7003, pageSize: 4096 };
  it("takes the region from the name, or from the offset", () => {
    const file = { kind: "vfio-dmabuf", device: gpu.bdf, region: null } as const;
    const inOffset = identifyDmabuf(vma((1n << 40n) + 0x30000n, GIB), file, gpu, rules);
    const inName = identifyDmabuf(vma(0x30000n, GIB), { ...file, region: 1 }, gpu, rules);
    assert.deepEqual(inOffset, inName);
    assert.deepEqual([inName.region, inName.offset, inName.physical], [1, 0x30000, 0x380000030000n]);
  });

  it("keeps the name's device where nothing fits", () => {
    const file = { kind: "vfio-dmabuf", device: gpu.bdf, region: 3 } as const;
    const unfit = identifyDmabuf(vma(0n, GIB), file, gpu, rules);
    // Wherever it is: a BAR is aligned to its own size.
    assert.deepEqual([unfit.device, unfit.region, unfit.physical, unfit.congruence], [gpu.bdf, 3, null, 0n]);
    assert.equal(identifyDmabuf(vma(0n, GIB), file, null, rules).device, gpu.bdf);
  });
});

describe("identifyPhysical", () => {
  it("finds the BAR, or keeps the bare address", () => {
    assert.equal(identifyPhysical(0xfb001000n, 4096, [gpu, twin], 4096).device, twin.bdf);
    assert.deepEqual(identifyPhysical(0xf0000n, 4096, [gpu], 4096).physical, 0xf0000n);
    assert.equal(identifyPhysical(0xf0000n, 4096, [gpu], 4096).device, null);
  });
});
