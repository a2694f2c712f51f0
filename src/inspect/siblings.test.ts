/** Machines of the same kinds as those of people who do this job: other kernels, architectures, drivers and places. */

import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { diagnose } from "./doctor.ts";
import { inspectMachine } from "./inspect.ts";
import type { InspectedMapping } from "./judge/region-mappings.ts";
import { machineOf, type Function, type MachineOf } from "./machine-of.fixture.ts";

const GROUP = "anon_inode:[vfio-device]";
const KIB = 1024n;
const MIB = 1024n * KIB;
const GIB = 1024n * MIB;

/** A line of maps. */
function line(address: bigint, size: bigint, offset: bigint, path: string): string {
  const [from, to, at] = [address, address + size, offset].map((value) => value.toString(16));
  return `${from}-${to} rw-s ${at?.padStart(8, "0")} 00:0e 1063 ${path}`;
}

/** The file offset of a region. */
function region(index: number): bigint {
  return BigInt(index) << 40n;
}

function rowsOf(test: TestContext, machine: MachineOf): readonly InspectedMapping[] {
  return inspectMachine(machineOf(test, machine)).processes.flatMap(({ mappings }) => mappings);
}

function whose({ identity: { device, region: index, offset } }: InspectedMapping): string {
  return `${device ?? "?"} ${index ?? "?"} ${offset ?? "?"}`;
}

function told({ verdict, reasons }: InspectedMapping): string {
  return [verdict, ...reasons.map(({ code }) => code)].join(" ");
}

function adviceIn(rows: readonly InspectedMapping[]): string {
  return rows.flatMap(({ reasons }) => reasons.map(({ advice }) => advice)).join("\n");
}

const A = 0x7f00_0000_0000n;
const POWER: MachineOf = {
  kernel: "6.12.107+deb13-powerpc64le-64k",
  arch: "ppc64le",
  functions: [
    {
      bdf: "0030:01:00.0",
      bars: [[0x6200_0000_0000n, 4n * KIB], null, [0x6210_0000_0000n, 16n * GIB]],
    },
  ],
  processes: {
    1: {
      comm: "qemu-system-ppc",
      maps: [line(A, 64n * KIB, 0n, GROUP), line(A + GIB, 16n * GIB, region(2), GROUP)],
      fds: ["/dev/vfio/1", GROUP],
    },
  },
};

describe("a machine of ppc64", () => {
  it("has pages of a size that its huge pages do not tell", (test) => {
    // Radix tables have PMDs of 2 MiB with pages of 4 and of 64 KiB alike.
    const smaps = "7fff0000-7fff1000 r--p 00000000 00:00 0\nKernelPageSize:       64 kB\n";
    const process = { maps: [], smaps };
    for (const machine of [
      POWER,
      { ...POWER, kernel: "7.2.0", processes: { ...POWER.processes, 2: process } },
    ]) {
      const rows = rowsOf(test, machine);
      assert.deepEqual(rows.map(whose), ["0030:01:00.0 0 0", "0030:01:00.0 2 0"], machine.kernel);
    }
    const [row] = rowsOf(test, { ...POWER, kernel: "7.2.0" });
    assert.equal(row?.best, null, "nothing says which");
  });

  it("has no huge pages for device memory before 7.2, and is told so", (test) => {
    assert.match(adviceIn(rowsOf(test, POWER)), /base pages only: use Linux 7\.2 or newer$/);
    const findings = diagnose(machineOf(test, POWER)).findings;
    const todos = findings.map(({ todo }) => todo).join("\n");
    assert.doesNotMatch(todos, /Linux 6\.1[25] or/);
    assert.doesNotMatch(findings.map(({ text }) => text).join("\n"), /for DMA/, "its IOMMU is not type1's");
  });
});

describe("a mediated device", () => {
  const uuid = "0b5fd3fb-2389-4a22-ba70-52969a26b9d5";
  const of = (driver: string, arch = "x86_64"): MachineOf => ({
    kernel: "6.12.60",
    arch,
    sys: {
      [`devices/parent/${uuid}/driver`]: `-> ../../../bus/mdev/drivers/${driver}`,
      [`kernel/iommu_groups/20/devices/${uuid}`]: `-> ../../../../devices/parent/${uuid}`,
    },
    processes: { 1: { maps: [line(A, 128n * MIB, region(2), GROUP)], fds: ["/dev/vfio/20", GROUP] } },
  });

  it("has base pages where its driver is Linux's own", (test) => {
    for (const driver of ["intel_vgpu_mdev", "mbochs", "mdpy"]) {
      const rows = rowsOf(test, of(driver));
      assert.deepEqual(rows.map(told), ["small no-huge-pfnmap"], driver);
      assert.match(adviceIn(rows), RegExp(`^${driver} maps .*base pages only.*nothing to do$`));
    }
  });

  it("is not known where it comes from elsewhere", (test) => {
    assert.match(rowsOf(test, of("nvidia-vgpu-vfio")).map(told).join(), /^unknown .*driver-unknown$/);
  });
});

describe("a platform device", () => {
  const path = "devices/platform/axi/a0000000.fpga";
  const machine: MachineOf = {
    kernel: "6.12.107",
    arch: "aarch64",
    sys: {
      [`${path}/driver`]: "-> ../../../../bus/platform/drivers/vfio-platform",
      "kernel/iommu_groups/5/devices/a0000000.fpga": `-> ../../../../${path}`,
    },
    processes: {
      1: {
        maps: [
          line(A, 64n * KIB, 0xa000_0000n, GROUP),
          line(A + MIB, 64n * KIB, 0xa001_0000n, GROUP),
          line(A + GIB, 4n * MIB, 0xb000_0000n, GROUP),
        ],
        fds: ["/dev/vfio/5", GROUP],
      },
    },
  };

  it("has other regions than the one that gives it its name", (test) => {
    const rows = rowsOf(test, machine);
    assert.deepEqual(rows.map(whose), ["a0000000.fpga 0 0", "a0000000.fpga ? ?", "a0000000.fpga ? ?"]);
    assert.deepEqual(
      rows.map(({ identity }) => identity.physical),
      [0xa000_0000n, 0xa001_0000n, 0xb000_0000n],
    );
  });

  it("says nothing of what the kernel does with PCI", (test) => {
    const [kernel] = diagnose(machineOf(test, machine)).findings;
    assert.equal(kernel?.state, "good");
    assert.match(kernel.text, /huge pages of 2 MiB for device memory/);
  });

  it("is no candidate where another driver than VFIO's has it", (test) => {
    const rows = rowsOf(test, {
      ...machine,
      sys: {
        ...machine.sys,
        "devices/platform/b0000000.dma/driver": "-> ../../../bus/platform/drivers/pl330",
        "kernel/iommu_groups/5/devices/b0000000.dma": "-> ../../../../devices/platform/b0000000.dma",
      },
    });
    assert.deepEqual([...new Set(rows.map(({ identity }) => identity.device))], ["a0000000.fpga"]);
  });
});

const EHCI: Function = { bdf: "0000:00:1d.0", driver: "ehci-pci", bars: [[0xf7d3_c800n, KIB]] };
const OTHER: Function = { bdf: "0000:00:1a.0", driver: "ehci-pci", bars: [[0xf7d3_cc00n, KIB]] };

describe("a BAR within a page", () => {
  it("does not begin where its mapping does", (test) => {
    const rows = rowsOf(test, {
      kernel: "6.14.8-2-pve",
      functions: [EHCI, OTHER],
      processes: {
        1: {
          maps: [
            line(A, 4n * KIB, 0xf7d3_c000n, "/sys/devices/pci0000:00/0000:00:1d.0/resource0"),
            line(A + MIB, 4n * KIB, 0xf7d3_c000n, "/proc/bus/pci/00/1d.0"),
            line(A + GIB, 4n * KIB, 0xf7d3_c000n, "/dev/mem"),
          ],
        },
      },
    });
    assert.deepEqual(rows.map(whose), ["0000:00:1d.0 0 ?", "0000:00:1d.0 0 ?", "? ? ?"]);
    assert.deepEqual([...new Set(rows.map(({ identity }) => identity.physical))], [0xf7d3_c000n]);
    assert.deepEqual(rows[2]?.identity.couldBe, ["0000:00:1a.0", "0000:00:1d.0"]);
  });
});

describe("memory by its physical address", () => {
  const one: Function = {
    bdf: "0000:03:00.0",
    driver: null,
    bars: [[0xd000_0000n, 16n * MIB], null, [0xd100_0000n, 16n * MIB]],
  };
  const next: Function = { bdf: "0000:04:00.0", driver: "nvme", bars: [[0xd200_0000n, 16n * KIB]] };
  const of = (size: bigint): MachineOf => ({
    kernel: "6.12.80",
    functions: [one, next],
    processes: { 1: { maps: [line(A, size, 0xd000_0000n, "/dev/mem")] } },
  });

  it("may be of several BARs of a device", (test) => {
    const rows = rowsOf(test, of(32n * MIB));
    assert.deepEqual(rows.map(whose), ["0000:03:00.0 ? ?"]);
    assert.match(adviceIn(rows), /hugebar bind 0000:03:00\.0\) and map its region by VFIO$/);
  });

  it("may be of several devices", (test) => {
    const rows = rowsOf(test, of(64n * MIB));
    assert.deepEqual(rows[0]?.identity.couldBe, ["0000:03:00.0", "0000:04:00.0"]);
    assert.match(adviceIn(rows), /hand each of 0000:03:00\.0, 0000:04:00\.0 to vfio-pci/);
  });

  it("is not the kernel's own address, which a uio file may have in its place", (test) => {
    const device = "devices/vmbus/f8615163-df3e-46c5-913f-f2d2f965ed0e/uio/uio0";
    const rows = rowsOf(test, {
      kernel: "6.8.0-1021-azure",
      sys: { [`${device}/maps/map1/addr`]: "0xffff98a0c0000000\n", "class/uio/uio0": `-> ../../${device}` },
      processes: { 1: { maps: [line(A, 4n * MIB, 4n * KIB, "/dev/uio0")] } },
    });
    assert.equal(rows[0]?.identity.physical, null);
    assert.deepEqual(rows.map(told), ["small no-huge-pfnmap"]);
  });
});

describe("where no huge leaf fits", () => {
  it("nothing is better than what is", (test) => {
    // 2 MiB at a multiple of 2 MiB, of memory that is 15 MiB past one.
    const [row] = rowsOf(test, {
      kernel: "6.12.80",
      processes: { 1: { maps: [line(A, 2n * MIB, 0xd0f0_0000n, "/dev/mem")] } },
    });
    assert.equal(row?.verdict, "huge");
    assert.deepEqual(row.best, row.now);
  });
});

describe("wrong memory", () => {
  it("hangs on the gate where that is not known", (test) => {
    const of = (smaps: string | undefined): readonly InspectedMapping[] =>
      rowsOf(test, {
        kernel: "6.12.9",
        thp: "madvise",
        functions: [{ bdf: "0000:65:00.0", bars: [null, [0x380_0000_0000n, 256n * MIB]] }],
        processes: {
          1: {
            maps: [line(A + MIB, 256n * MIB, region(1), GROUP)],
            fds: ["/dev/vfio/1", GROUP],
            ...(smaps === undefined ? {} : { smaps }),
          },
        },
      });
    const rows = of(undefined);
    assert.deepEqual(rows.map(told), ["unknown wrong-memory advice-unknown misaligned"]);
    assert.match(adviceIn(rows), /and where it gives this one any, the program/);
    const start = line(A + MIB, 256n * MIB, region(1), GROUP);
    const advised = of(`${start}\nTHPeligible:           0\nVmFlags: rd wr sh mr mw me ms io de dd hg\n`);
    assert.match(advised.map(told).join(), /^wrong wrong-memory/);
    assert.match(adviceIn(advised), /so that the program reads and writes in the wrong place/);
  });
});

describe("a device without an IOMMU", () => {
  it("is known by its own file's name", (test) => {
    const rows = rowsOf(test, {
      kernel: "7.3.0",
      functions: [
        { bdf: "10000:01:00.0", group: null, cdev: "vfio0", bars: [[0x380_0000_0000n, 64n * MIB]] },
      ],
      processes: { 1: { maps: [line(A, 64n * MIB, 0n, "/dev/vfio/devices/noiommu-vfio0")] } },
    });
    assert.deepEqual(rows.map(whose), ["10000:01:00.0 0 0"]);
  });
});
