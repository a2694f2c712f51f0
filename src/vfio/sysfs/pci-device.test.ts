import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { recordMachine } from "./machine.fixture.ts";
import { listPciDevices, readPciDevice } from "./pci-device.ts";

describe("listPciDevices", () => {
  it("reads each device with driver, group, NUMA node and BARs", (test) => {
    const sys = recordMachine(test, [
      {
        bdf: "0009:01:00.0",
        vendor: 0x10de,
        device: 0x2941,
        class: 0x030200,
        driver: "nvgrace-gpu-vfio-pci",
        vfioDevice: "vfio1",
        group: 18,
        numaNode: 1,
        resources: ["0x0000400000000000 0x00007fffffffffff 0x000000000014220c"],
      },
      { bdf: "0000:00:02.0", class: 0x020000, driver: "e1000e", group: null },
      { bdf: "0000:00:03.0", driver: null, group: 3, vfioDevice: null },
    ]);
    assert.deepEqual(listPciDevices(sys), [
      {
        bdf: "0000:00:02.0",
        vendor: 0x1b36,
        device: 0x0005,
        class: 0x020000,
        driver: "e1000e",
        boundToVfio: false,
        cdev: null,
        iommuGroup: null,
        numaNode: null,
        resources: [],
        ownMemory: null,
      },
      {
        bdf: "0000:00:03.0",
        vendor: 0x1b36,
        device: 0x0005,
        class: 0x00ff00,
        driver: null,
        boundToVfio: false,
        cdev: null,
        iommuGroup: 3,
        numaNode: null,
        resources: [],
        ownMemory: null,
      },
      {
        bdf: "0009:01:00.0",
        vendor: 0x10de,
        device: 0x2941,
        class: 0x030200,
        driver: "nvgrace-gpu-vfio-pci",
        boundToVfio: true,
        cdev: "vfio1",
        iommuGroup: 18,
        numaNode: 1,
        resources: [
          {
            index: 0,
            kind: "memory",
            address: 0x4000_0000_0000n,
            size: 0x4000_0000_0000,
            is64Bit: true,
            prefetchable: true,
          },
        ],
        ownMemory: null,
      },
    ]);
  });

  it("finds nothing where there is no PCI", () => {
    assert.deepEqual(listPciDevices("/nowhere"), []);
  });
});

describe("readPciDevice", () => {
  it("knows a VFIO driver by its name on kernels before 6.1, and then has no cdev", (test) => {
    const sys = recordMachine(test, [
      { bdf: "0000:00:04.0", driver: "mlx5_vfio_pci", vfioDevice: null },
      { bdf: "0000:00:05.0", driver: "vfio-pci", vfioDevice: "vfio0", hasCdev: false },
    ]);
    const { boundToVfio, cdev } = readPciDevice(sys, "0000:00:04.0");
    assert.deepEqual({ boundToVfio, cdev }, { boundToVfio: true, cdev: null });
    assert.equal(readPciDevice(sys, "0000:00:05.0").cdev, null);
  });

  it("says where to find the devices there are", (test) => {
    const sys = recordMachine(test, []);
    assert.throws(() => readPciDevice(sys, "0000:01:00.0"), {
      code: "ERR_NO_DEVICE",
      exitCode: 3,
      message: "Cannot open 0000:01:00.0: there is no such PCI device; `hugebar devices` lists them",
    });
  });
});
