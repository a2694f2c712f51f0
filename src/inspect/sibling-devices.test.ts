/** Machines of the same kinds as those of people who do this job: other devices, drivers and places. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { diagnose } from "./doctor.ts";
import { machineOf, type Function, type MachineOf } from "./machine-of.fixture.ts";
import { A, GIB, GROUP, KIB, MIB, adviceIn, line, region, rowsOf, told, whose } from "./told-rows.fixture.ts";

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

  it("is told from others by the address in its name", (test) => {
    const other = "devices/platform/axi/b0000000.dma";
    const rows = rowsOf(test, {
      ...machine,
      sys: {
        ...machine.sys,
        [`${other}/driver`]: "-> ../../../../bus/platform/drivers/vfio-platform",
        "kernel/iommu_groups/6/devices/b0000000.dma": `-> ../../../../${other}`,
      },
      processes: {
        1: {
          maps: [
            line(A, 4n * MIB, 0xa000_0000n, GROUP),
            line(A + GIB, 4n * MIB, 0xb000_0000n, GROUP),
            line(A + 2n * GIB, 4n * MIB, 0xc000_0000n, GROUP),
          ],
          fds: ["/dev/vfio/5", "/dev/vfio/6", GROUP, GROUP],
        },
      },
    });
    assert.deepEqual(rows.map(whose), ["a0000000.fpga 0 0", "b0000000.dma 0 0", "? ? ?"]);
    assert.deepEqual(rows[2]?.identity.couldBe, ["a0000000.fpga", "b0000000.dma"]);
    for (const row of rows)
      assert.match(adviceIn([row]), /^vfio-platform maps its devices with base pages only.*nothing to do$/);
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

describe("a uio device", () => {
  it("may be anyone's where sysfs does not tell", (test) => {
    const rows = rowsOf(test, {
      kernel: "6.12.80",
      processes: { 1: { maps: [line(A, 4n * MIB, 0n, "/host/dev/uio0")] } },
    });
    assert.deepEqual(rows.map(whose), ["uio0 ? ?"]);
    assert.match(adviceIn(rows), /sysfs does not tell whose uio0 is: if it is a PCI function's, hand that/);
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

describe("counsel to hand a device over", () => {
  const of = (one: Partial<Function>, more: Partial<MachineOf> = {}): MachineOf => ({
    kernel: "7.3.0",
    functions: [{ bdf: "0000:03:00.0", driver: "nvme", bars: [[0x380_0000_0000n, 64n * MIB]], ...one }],
    processes: {
      1: {
        maps: [line(A, 64n * MIB, 0x380_0000_0000n, "/sys/devices/pci0000:00/0000:03:00.0/resource0")],
      },
    },
    ...more,
  });

  it("is given only where it can be followed", (test) => {
    const counsel = (machine: MachineOf): string => adviceIn(rowsOf(test, machine));
    assert.match(counsel(of({})), /: hand the device to vfio-pci \(hugebar bind 0000:03:00\.0, which takes/);
    assert.match(counsel(of({ group: null })), /: switch its IOMMU on, .* then hand the device to vfio-pci/);
    const bridge = { "devices/pci0000:00/0000:03:00.0/class": "0x060400\n" };
    const bridged = counsel(of({ driver: "pcieport" }, { sys: bridge }));
    assert.match(bridged, /vfio-pci takes no bridges: there is nothing to do$/);
    const gone = counsel(of({}, { functions: [] }));
    assert.match(gone, /sysfs does not have 0000:03:00\.0/);
    assert.doesNotMatch(gone, /bind 0000/);
  });
});

describe("a process's open files", () => {
  const gpus = [1, 2].map((number): Function => ({
    bdf: `0000:0${number}:00.0`,
    group: number,
    driver: "nvidia-vgpu-vfio",
    cdev: `vfio${number}`,
    bars: [[0x380_0000_0000n + BigInt(number) * GIB, 256n * MIB]],
  }));
  const of = (files: Record<string, string | null>): MachineOf => ({
    kernel: "6.17.9",
    functions: gpus,
    processes: { 1: { maps: [line(A, 256n * MIB, region(0), GROUP)], files } },
  });

  it("may be none, which is not that they may not be looked at", (test) => {
    const [row] = rowsOf(test, of({}));
    assert.deepEqual(row?.identity.couldBe, ["0000:01:00.0", "0000:02:00.0"]);
    assert.equal(row.identity.blind, false);
  });
});

describe("a name that is a device's", () => {
  it("is any file's where it lies on a disk", (test) => {
    const onDisk = (path: string): string => line(A, 64n * KIB, 0n, path).replace("00:0e", "fe:01");
    const of = (map: string): MachineOf => ({
      kernel: "7.3.0",
      functions: [{ bdf: "0000:01:00.0", cdev: "vfio0", bars: [[0x380_0000_0000n, 64n * MIB]] }],
      processes: { 1: { maps: [map] } },
    });
    for (const path of ["/vfio/devices/vfio0", "/mem", "/uio0", "/x/0000:01:00.0/resource0"])
      assert.deepEqual(rowsOf(test, of(onDisk(path))), [], path);
    assert.deepEqual(rowsOf(test, of(line(A, 64n * KIB, 0n, "/vfio/devices/vfio0"))).map(whose), [
      "0000:01:00.0 0 0",
    ]);
    // A jail's node is a file of its disk.
    assert.equal(rowsOf(test, of(onDisk("/dev/vfio/devices/vfio0"))).length, 1);
  });
});

describe("a mapping of memory whose place is not known", () => {
  const of = (address: bigint, size: bigint, path: string): MachineOf => ({
    kernel: "7.3.0",
    processes: {
      1: { maps: [line(address, size, 0n, path), line(address + size, size, size, path)], fds: [GROUP] },
    },
  });

  it("is not said to be misaligned or split, wherever it starts", (test) => {
    for (const address of [A, A + 4n * KIB, A + MIB]) {
      for (const size of [2n * MIB, 64n * MIB]) {
        const unknown = rowsOf(test, of(address, size, GROUP));
        assert.deepEqual([...new Set(unknown.map(told))], ["unknown device-unknown"]);
        const uio = rowsOf(test, of(address, size, "/dev/uio0"));
        assert.deepEqual([...new Set(uio.map(told))], ["small no-huge-pfnmap"]);
        assert.doesNotMatch(adviceIn([...unknown, ...uio]), / :|starts/);
      }
    }
  });
});
