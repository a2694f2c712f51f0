import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { advisesAll, programOf } from "./program.ts";

describe("programOf", () => {
  it("goes by the name, of which the kernel keeps 15 bytes", () => {
    const names = [
      "qemu-system-x86",
      "qemu-kvm",
      ".qemu-system-x8",
      "kvm",
      "reactor_0",
      "dpdk-testpmd",
      "hugebar",
      "kvm-nx-lpage",
    ];
    assert.deepEqual(names.map(programOf), [
      "qemu",
      "qemu",
      "qemu",
      "qemu",
      "spdk",
      "dpdk",
      "hugebar",
      "other",
    ]);
  });
});

describe("advisesAll", () => {
  it("is known of QEMU, and of nobody else", () => {
    assert.deepEqual(["kvm", "reactor_0", "cloud-hypervisor"].map(advisesAll), [true, null, null]);
  });
});
