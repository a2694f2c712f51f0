import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hasHugeLeaves, hasHugePfnmap, isVfioPci, type MappedBy } from "./drivers.ts";

const bar: MappedBy = { kernel: "7.3.4", arch: "x86_64", way: "vfio", driver: "vfio-pci", region: 0 };

describe("hasHugeLeaves", () => {
  it("came with 6.12 for vfio-pci and its variants", () => {
    for (const driver of [
      "vfio-pci",
      "mlx5_vfio_pci",
      "virtio_vfio_pci",
      "pds_vfio_pci",
      "qat_vfio_pci",
      "hisi_acc_vfio_pci",
      "xe-vfio-pci",
      null,
    ]) {
      assert.equal(hasHugeLeaves({ ...bar, driver }), true, driver ?? "unknown");
      assert.equal(hasHugeLeaves({ ...bar, driver, kernel: "6.12.0" }), true);
      assert.equal(hasHugeLeaves({ ...bar, driver, kernel: "6.11.11" }), false);
      assert.equal(hasHugeLeaves({ ...bar, driver, kernel: "6.8.0-87-generic" }), null);
    }
  });

  it("came with 6.19 for the memory that nvgrace-gpu gives, not for its BARs", () => {
    for (const driver of ["nvgrace-gpu", "nvgrace-gpu-vfio-pci", "nvgrace_gpu_vfio_pci"]) {
      const of = (kernel: string, region: number | null): boolean | null =>
        hasHugeLeaves({ kernel, arch: "aarch64", way: "vfio", driver, region });
      for (const region of [2, 4, null]) {
        assert.deepEqual(
          ["6.12.107", "6.18.60", "6.19.0", "7.3.4", "6.17.0-1014-nvidia-64k"].map((kernel) =>
            of(kernel, region),
          ),
          [false, false, true, true, null],
        );
      }
      assert.deepEqual([of("6.12.107", 0), of("6.11.11", 0)], [true, false]);
    }
  });

  it("is not there where remap_pfn_range lays a mapping, whatever the kernel", () => {
    for (const driver of ["vfio-platform", "vfio-amba", "vfio-fsl-mc", "vfio-cdx"]) {
      assert.equal(hasHugeLeaves({ ...bar, driver }), false, driver);
    }
    for (const way of ["sysfs", "proc-bus-pci", "uio", "mem"] as const) {
      assert.equal(hasHugeLeaves({ ...bar, way }), false, way);
    }
  });

  it("is not known of a driver from elsewhere, except on a kernel that has none", () => {
    assert.equal(hasHugeLeaves({ ...bar, driver: "nvidia-vgpu-vfio" }), null);
    assert.equal(hasHugeLeaves({ ...bar, driver: "nvidia-vgpu-vfio", kernel: "6.6.1" }), false);
  });
});

describe("hasHugePfnmap", () => {
  it("came to architectures one after the other", () => {
    const row = (arch: string | null): (boolean | null)[] =>
      ["6.11.1", "6.12.117", "6.18.60", "7.2.0", "7.3.4"].map((kernel) => hasHugePfnmap(kernel, arch));
    for (const arch of ["x86_64", "aarch64", null])
      assert.deepEqual(row(arch), [false, true, true, true, true]);
    assert.deepEqual(row("riscv64"), [false, false, null, true, true]);
    for (const arch of ["ppc64le", "ppc64"]) assert.deepEqual(row(arch), [false, false, false, true, true]);
    for (const arch of ["s390x", "loongarch64", "armv7l", "mips64", "i386", "i686", "riscv32", "ppc"]) {
      assert.deepEqual(row(arch), [false, false, false, false, false]);
    }
  });
});

describe("isVfioPci", () => {
  it("is of those whose own handler keeps the file offset", () => {
    assert.ok(isVfioPci("vfio-pci", 0) && isVfioPci(null, null) && isVfioPci("nvgrace-gpu-vfio-pci", 0));
    for (const driver of ["vfio-platform", "nvidia-vgpu-vfio", "nvme"]) assert.ok(!isVfioPci(driver, 0));
    assert.ok(!isVfioPci("nvgrace-gpu-vfio-pci", 4) && !isVfioPci("nvgrace-gpu-vfio-pci", null));
  });
});
