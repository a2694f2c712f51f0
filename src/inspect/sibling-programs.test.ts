/** Who maps, and what each of them is told. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { machineOf, type Function, type MachineOf, type Process } from "./machine-of.fixture.ts";
import { inspectMachine } from "./inspect.ts";
import { recordMachine } from "./record.ts";
import { A, GIB, GROUP, KIB, MIB, adviceIn, line, region, rowsOf, told } from "./told-rows.fixture.ts";

const GPU: Function = {
  bdf: "0000:01:00.0",
  bars: [null, null, [0x380_0000_0000n, 256n * MIB], null, [0x390_0000_0000n, 16n * MIB]],
};
const MISALIGNED = line(A + MIB, 256n * MIB, region(2), GROUP);
const RTEMAP = "100000000-140000000 rw-s 00000000 00:2c 77                          /dev/hugepages/rtemap_0";

function heldBy(process: Partial<Process>, kernel = "7.3.0"): MachineOf {
  const held = { maps: [MISALIGNED], fds: ["/dev/vfio/1", GROUP], ...process };
  return { kernel, functions: [GPU], processes: { 10: held } };
}

describe("a program", () => {
  it("is told what it can be told", (test) => {
    const counsel = (process: Partial<Process>): string => adviceIn(rowsOf(test, heldBy(process)));
    assert.match(counsel({ comm: "qemu-system-x86" }), /: use QEMU 9\.2 or newer/);
    assert.match(counsel({ comm: "cloud-hyperviso" }), /: use Cloud Hypervisor 53 or newer/);
    assert.match(counsel({ comm: "crosvm" }), /: crosvm leaves the address/);
    assert.match(counsel({ comm: "firecracker" }), /: have Firecracker reserve/);
    assert.match(counsel({ comm: "vpp_main" }), /: have vpp_main reserve/);
    assert.match(counsel({ comm: "" }), /: have the program reserve/);
  });

  it("may have a name of its own", (test) => {
    const counsel = (process: Partial<Process>): string => adviceIn(rowsOf(test, heldBy(process)));
    assert.match(counsel({ comm: "pktgen", maps: [RTEMAP, MISALIGNED] }), /: DPDK maps BARs/);
    const spdk = RTEMAP.replace("rtemap_0", "spdk_pid17map_0");
    assert.match(counsel({ comm: "bdevperf", maps: [spdk, MISALIGNED] }), /: SPDK, by DPDK, maps BARs/);
    const path = "-> /usr/libexec/qemu-kvm (deleted)";
    assert.match(counsel({ comm: "web-01", files: { exe: path } }), /: use QEMU/);
    const words = "/opt/kata/bin/cloud-hypervisor\0--api-socket\0/run/qemu\0";
    assert.match(counsel({ comm: "vmm", files: { cmdline: words } }), /: use Cloud Hypervisor/);
  });

  it("asks for huge pages where it is QEMU, whatever it calls itself", (test) => {
    const machine = heldBy({
      comm: "web-01",
      maps: [line(A, 256n * MIB, region(2), GROUP)],
      files: { cmdline: "/usr/bin/qemu-system-x86_64\0-name\0guest=web-01,process=web-01\0" },
    });
    const rows = rowsOf(test, { ...machine, kernel: "6.12.107", thp: "madvise" });
    assert.deepEqual(rows.map(told), ["huge"]);
  });

  it("is the same in a record of the machine", (test) => {
    const roots = machineOf(test, heldBy({ comm: "pktgen", maps: [RTEMAP, MISALIGNED] }));
    const copy = `${roots.proc}-copy`;
    recordMachine(roots, copy);
    const again = inspectMachine({ proc: `${copy}/proc`, sys: `${copy}/sys` });
    assert.match(adviceIn(again.processes.flatMap(({ mappings }) => mappings)), /: DPDK maps BARs/);
  });
});

describe("an alignment of each mapping", () => {
  /** The MSI-X table's page is left out. */
  const around = (table: bigint): string[] => [
    line(A + 4n * KIB, table, region(4), GROUP),
    line(A + 8n * KIB + table, 16n * MIB - table - 4n * KIB, region(4) + table + 4n * KIB, GROUP),
  ];

  it("is enough or is not, by what comes of it", (test) => {
    const counsel = (comm: string, maps: string[]): string => adviceIn(rowsOf(test, heldBy({ comm, maps })));
    // Behind the table nothing is at a multiple of its own size.
    for (const table of [8n * MIB, 2n * MIB]) {
      assert.match(counsel("qemu-system-x86", around(table)), /: use QEMU 11 or newer/);
      assert.match(counsel("cloud-hyperviso", around(table)), /which is not enough for this region/);
    }
    // The table is in the last page: one area, no power of two in size, from the region's first byte on.
    const last = [line(A + 4n * KIB, 16n * MIB - 4n * KIB, region(4), GROUP)];
    assert.match(counsel("qemu-system-x86", last), /: use QEMU 11 or newer/);
    assert.match(counsel("cloud-hyperviso", last), /: use Cloud Hypervisor 53 or newer/);
  });

  it("is none where the region's memory begins off such a boundary itself", (test) => {
    const memory = 0x4000_1000_0000n; // 256 MiB past a multiple of 512 MiB
    const big = (value: bigint): Uint8Array => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64BE(value);
      return bytes;
    };
    const home = "devices/pci0009:00/0009:01:00.0/of_node";
    const rows = rowsOf(test, {
      kernel: "7.3.0",
      arch: "aarch64",
      pmdSize: 512 * 1024 * 1024,
      functions: [{ bdf: "0009:01:00.0", driver: "nvgrace-gpu", cdev: "vfio0", bars: [] }],
      sys: {
        [`${home}/nvidia,gpu-mem-base-pa`]: big(memory),
        [`${home}/nvidia,gpu-mem-size`]: big(64n * GIB),
      },
      processes: {
        10: { comm: "qemu-system-aar", maps: [line(A, 64n * GIB, region(4), "/dev/vfio/devices/vfio0")] },
      },
    });
    assert.match(adviceIn(rows), /no QEMU up to 11 does/);
  });
});
