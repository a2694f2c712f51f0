import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { advisesAll, programByFiles, programOf } from "./program.ts";

describe("programOf", () => {
  it("goes by the name, of which the kernel keeps 15 bytes", () => {
    const names = {
      "qemu-system-x86": "qemu",
      "qemu-kvm": "qemu",
      ".qemu-system-x8": "qemu",
      kvm: "qemu",
      "cloud-hyperviso": "cloud-hypervisor",
      "cloud-hypervisor-static": "cloud-hypervisor",
      crosvm: "crosvm",
      firecracker: "firecracker",
      reactor_0: "spdk",
      "dpdk-testpmd": "dpdk",
      "ovs-vswitchd": "dpdk",
      hugebar: "hugebar",
      "kvm-nx-lpage": "other",
      // Has drivers of its own beside DPDK's.
      vpp_main: "other",
      "": "other",
    };
    assert.deepEqual(Object.fromEntries(Object.keys(names).map((name) => [name, programOf(name)])), names);
  });
});

describe("programByFiles", () => {
  it("knows DPDK and SPDK in programs that have names of their own", () => {
    const files = {
      "/usr/lib/x86_64-linux-gnu/librte_eal.so.25": "dpdk",
      "/run/dpdk/pktgen/fbarray_memseg-2048k-0-0": "dpdk",
      "/run/user/1000/dpdk/rte/config": "dpdk",
      "/dev/hugepages/rtemap_12": "dpdk",
      "/dev/hugepages/rtemap_12 (deleted)": "dpdk",
      "/var/run/dpdk/spdk_pid4711/config": "spdk",
      "/dev/hugepages/spdk_pid4711map_3": "spdk",
      "/usr/local/lib/libspdk_nvme.so.15.0": "spdk",
      "/home/me/dpdk/README": "other",
      "/etc/dpdk/dpdk.conf": "other",
      "/home/me/roadmap_1": "other",
    };
    assert.deepEqual(
      Object.fromEntries(
        Object.keys(files).map((file) => [
          file,
          programByFiles(
            `7f00-7f10 rw-s 00000000 00:1a 12 ${file}\n7f20-7f30 rw-p 00000000 00:00 0 [heap]\n`,
          ),
        ]),
      ),
      files,
    );
  });
});

describe("advisesAll", () => {
  it("is known of QEMU, and of nobody else", () => {
    assert.deepEqual((["qemu", "spdk", "cloud-hypervisor"] as const).map(advisesAll), [true, null, null]);
  });
});
