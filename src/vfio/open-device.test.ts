import assert from "node:assert/strict";
import { constants } from "node:os";
import { describe, it, type TestContext } from "node:test";
import { HugebarError } from "../errors.ts";
import { SystemCallError } from "../system/system.ts";
import { fakeDevice } from "./devices.fixture.ts";
import { FakeVfio, type FakeKernelShape } from "./fake-vfio.fixture.ts";
import { recordMachine, type MachineDevice } from "./sysfs/machine.fixture.ts";
import { openContainer, openVfioDevice, type VfioOptions } from "./open-device.ts";

const BDF = "0000:01:00.0";
const { EACCES, EBUSY, EIO, ENODEV, ENOENT, EPERM } = constants.errno;

interface Machine {
  readonly vfio: FakeVfio;
  readonly options: VfioOptions;
}

function machine(test: TestContext, devices: readonly MachineDevice[], shape?: FakeKernelShape): Machine {
  const vfio = new FakeVfio(
    devices.map(({ bdf, group }) => fakeDevice(bdf, { group: group ?? 7 })),
    shape,
  );
  return { vfio, options: { sys: recordMachine(test, devices), system: vfio.system } };
}

describe("openVfioDevice", () => {
  it("prefers the cdev, binds it to an iommufd and attaches it", (test) => {
    const { vfio, options } = machine(test, [{ bdf: BDF }]);
    const device = openVfioDevice("01:00.0", options);
    assert.equal(device.name, BDF);
    assert.deepEqual(device.info(), { flags: 3, regionCount: 9, irqCount: 5 });
    device.close();
    device.close();
    assert.deepEqual(vfio.calls, [
      "open /dev/iommu",
      "IOMMU_IOAS_ALLOC",
      `open /dev/vfio/devices/vfio-${BDF}`,
      "VFIO_DEVICE_BIND_IOMMUFD",
      "VFIO_DEVICE_ATTACH_IOMMUFD_PT",
      "VFIO_DEVICE_GET_INFO",
      "close",
      "close",
    ]);
    assert.equal(vfio.openFiles, 0);
  });

  it("takes container and group where the kernel has no cdev", (test) => {
    const { vfio, options } = machine(test, [{ bdf: BDF, hasCdev: false }]);
    openVfioDevice(BDF, options).close();
    assert.deepEqual(vfio.calls, [
      "open /dev/vfio/vfio",
      "VFIO_GET_API_VERSION",
      "VFIO_CHECK_EXTENSION",
      "open /dev/vfio/7",
      "VFIO_GROUP_GET_STATUS",
      "VFIO_GROUP_SET_CONTAINER",
      "VFIO_SET_IOMMU",
      "VFIO_GROUP_GET_DEVICE_FD",
      "VFIO_DEVICE_GET_INFO",
      "close",
      "close",
      "close",
    ]);
    assert.equal(vfio.openFiles, 0);
  });

  it("takes the API asked for", (test) => {
    const { vfio, options } = machine(test, [{ bdf: BDF }]);
    openVfioDevice(BDF, { ...options, api: "group" }).close();
    assert.equal(vfio.calls[0], "open /dev/vfio/vfio");
  });

  it("falls back to the group when the user was given that only", (test) => {
    const { vfio, options } = machine(test, [{ bdf: BDF }], { refused: { "/dev/iommu": EACCES } });
    openVfioDevice(BDF, options).close();
    assert.ok(vfio.calls.includes("open /dev/vfio/7"));
    assert.equal(vfio.openFiles, 0);
  });

  it("says that no permission was given for either, naming the first", (test) => {
    const refused = { "/dev/iommu": EACCES, "/dev/vfio/vfio": EPERM };
    const { vfio, options } = machine(test, [{ bdf: BDF }], { refused });
    assert.throws(() => openVfioDevice(BDF, options), {
      code: "ERR_PERMISSION",
      exitCode: 4,
      message:
        "Cannot open 0000:01:00.0: no permission for /dev/iommu; run as root, or give this user the file",
    });
    assert.equal(vfio.openFiles, 0);
  });
});

describe("a device that VFIO cannot give", () => {
  const cases: Record<
    string,
    {
      devices: readonly MachineDevice[];
      shape?: FakeKernelShape;
      options?: VfioOptions;
      code: string;
      exitCode: number;
      message: string;
    }
  > = {
    "does not exist": {
      devices: [],
      code: "ERR_NO_DEVICE",
      exitCode: 3,
      message: "Cannot open 0000:01:00.0: there is no such PCI device; `hugebar devices` lists them",
    },
    "is bound to another driver": {
      devices: [{ bdf: BDF, driver: "nvme" }],
      code: "ERR_BUSY",
      exitCode: 5,
      message:
        "Cannot open 0000:01:00.0: it is bound to nvme, not to VFIO; hand it over with `hugebar bind 0000:01:00.0`",
    },
    "is bound to no driver": {
      devices: [{ bdf: BDF, driver: null }],
      code: "ERR_BUSY",
      exitCode: 5,
      message:
        "Cannot open 0000:01:00.0: no driver is bound to it; hand it over with `hugebar bind 0000:01:00.0`",
    },
    "has no IOMMU": {
      devices: [{ bdf: BDF, group: null }],
      code: "ERR_NOT_SUPPORTED",
      exitCode: 1,
      message:
        "Cannot open 0000:01:00.0: no IOMMU stands before it; switch the IOMMU on in the firmware and, for Intel, with intel_iommu=on on the kernel's command line",
    },
    "is in a group without an IOMMU": {
      devices: [{ bdf: BDF, groupName: "vfio-noiommu" }],
      code: "ERR_NOT_SUPPORTED",
      exitCode: 1,
      message:
        "Cannot open 0000:01:00.0: no IOMMU stands before it; switch the IOMMU on in the firmware and, for Intel, with intel_iommu=on on the kernel's command line",
    },
    "shares its group with devices of other drivers": {
      devices: [
        { bdf: BDF, hasCdev: false },
        { bdf: "0000:00:1c.0", driver: "pcieport" },
        { bdf: "0000:01:00.1", driver: "snd_hda_intel" },
        { bdf: "0000:01:00.2", driver: null },
        { bdf: "0000:01:00.3", driver: "xhci_hcd" },
      ],
      shape: { notViable: [7] },
      code: "ERR_BUSY",
      exitCode: 5,
      message:
        "Cannot open 0000:01:00.0: its IOMMU group 7 is not viable: 0000:01:00.1 is bound to snd_hda_intel, 0000:01:00.3 is bound to xhci_hcd; hand over the whole group with `hugebar bind --group 0000:01:00.0`",
    },
    "is open in another process by its group": {
      devices: [{ bdf: BDF, hasCdev: false }],
      shape: { refused: { "/dev/vfio/7": EBUSY } },
      code: "ERR_BUSY",
      exitCode: 5,
      message:
        "Cannot open 0000:01:00.0: it, or another device of its IOMMU group 7, is open elsewhere; `hugebar inspect` shows by whom",
    },
    "has a kernel without VFIO": {
      devices: [{ bdf: BDF, hasCdev: false }],
      shape: { refused: { "/dev/vfio/vfio": ENOENT } },
      code: "ERR_NOT_SUPPORTED",
      exitCode: 1,
      message: "Cannot open 0000:01:00.0: there is no /dev/vfio/vfio: the kernel has no VFIO; load vfio-pci",
    },
    "has a kernel whose VFIO does not load": {
      devices: [{ bdf: BDF, hasCdev: false }],
      shape: { refused: { "/dev/vfio/vfio": ENODEV } },
      code: "ERR_NOT_SUPPORTED",
      exitCode: 1,
      message: "Cannot open 0000:01:00.0: there is no /dev/vfio/vfio: the kernel has no VFIO; load vfio-pci",
    },
    "has a kernel whose VFIO is of another version": {
      devices: [{ bdf: BDF, hasCdev: false }],
      shape: { apiVersion: 1 },
      code: "ERR_NOT_SUPPORTED",
      exitCode: 1,
      message: "Cannot open 0000:01:00.0: the kernel's VFIO has version 1; hugebar knows 0",
    },
    "has a kernel without the type1 IOMMU": {
      devices: [{ bdf: BDF, hasCdev: false }],
      shape: { hasType1: false },
      code: "ERR_NOT_SUPPORTED",
      exitCode: 1,
      message: "Cannot open 0000:01:00.0: the kernel has no type1 IOMMU for VFIO; load vfio_iommu_type1",
    },
    "has no cdev, which was asked for": {
      devices: [{ bdf: BDF, hasCdev: false }],
      options: { api: "cdev" },
      code: "ERR_NOT_SUPPORTED",
      exitCode: 1,
      message:
        "Cannot open 0000:01:00.0: the kernel makes no character devices for VFIO (CONFIG_VFIO_DEVICE_CDEV); take the group instead",
    },
    "has no iommufd, which was asked for": {
      devices: [{ bdf: BDF }],
      options: { api: "cdev" },
      shape: { refused: { "/dev/iommu": ENOENT } },
      code: "ERR_NOT_SUPPORTED",
      exitCode: 1,
      message: "Cannot open 0000:01:00.0: there is no /dev/iommu: the kernel has no iommufd; load iommufd",
    },
  };

  for (const [name, { devices, shape, options: more, ...expected }] of Object.entries(cases)) {
    it(name, (test) => {
      const { vfio, options } = machine(test, devices, shape);
      assert.throws(() => openVfioDevice(BDF, { ...options, ...more }), expected);
      assert.equal(vfio.openFiles, 0);
    });
  }

  it("is held by a second opener through its cdev", (test) => {
    const { vfio, options } = machine(test, [{ bdf: BDF }]);
    const first = openVfioDevice(BDF, options);
    assert.throws(() => openVfioDevice(BDF, options), { code: "ERR_BUSY", exitCode: 5 });
    assert.throws(() => openVfioDevice(BDF, { ...options, api: "group" }), { code: "ERR_BUSY", exitCode: 5 });
    first.close();
    openVfioDevice(BDF, options).close();
    assert.equal(vfio.openFiles, 0);
  });
});

describe("every call failing in turn", () => {
  for (const api of ["group", "cdev"] as const) {
    it(`leaves nothing open, by ${api}`, (test) => {
      const { vfio, options } = machine(test, [{ bdf: BDF }]);
      const open = (): void => openVfioDevice(BDF, { ...options, api }).close();
      open();
      const steps = vfio.calls.filter((call) => call !== "close");
      assert.ok(steps.length >= 6);
      for (const errno of [EIO, EPERM, EBUSY]) {
        for (const [step, call] of steps.entries()) {
          vfio.calls.length = 0;
          vfio.failing = { at: step, errno };
          assert.throws(open, (error) => {
            assert.ok(error instanceof HugebarError, call);
            assert.ok(error.cause instanceof SystemCallError, `${call} has no cause: ${error.message}`);
            assert.match(error.message, /^Cannot (open|read the description of) 0000:01:00\.0: /);
            return true;
          });
          assert.equal(vfio.openFiles, 0, call);
        }
      }
      vfio.failing = null;
      vfio.calls.length = 0;
      open();
    });
  }
});

describe("openContainer", () => {
  it("shares a group's file between its devices, and the container between groups", (test) => {
    const others = ["0000:01:00.1", "0000:02:00.0"] as const;
    const { vfio, options } = machine(test, [
      { bdf: BDF, hasCdev: false },
      { bdf: others[0], hasCdev: false },
      { bdf: others[1], hasCdev: false, group: 9 },
    ]);
    const container = openContainer(BDF, options);
    assert.equal(container.api, "group");
    const devices = [BDF, ...others].map((bdf) => container.openDevice(bdf));
    const count = (call: string): number => vfio.calls.filter((made) => made === call).length;
    assert.deepEqual(
      ["open /dev/vfio/vfio", "open /dev/vfio/7", "open /dev/vfio/9", "VFIO_SET_IOMMU"].map(count),
      [1, 1, 1, 1],
    );
    assert.equal(vfio.openFiles, 1 + 2 + 3);
    devices[0]?.close();
    assert.equal(vfio.openFiles, 1 + 2 + 2);
    devices[2]?.close();
    assert.equal(vfio.openFiles, 1 + 1 + 1);
    container.close();
    container.close();
    assert.equal(vfio.openFiles, 0);
    assert.throws(() => container.openDevice(BDF), { code: "ERR_CLOSED" });
  });

  it("attaches several cdevs to one I/O address space", (test) => {
    const { vfio, options } = machine(test, [{ bdf: BDF }, { bdf: "0000:02:00.0", group: 9 }]);
    const container = openContainer(BDF, options);
    container.openDevice(BDF);
    container.openDevice("0000:02:00.0");
    assert.equal(vfio.calls.filter((call) => call === "IOMMU_IOAS_ALLOC").length, 1);
    assert.equal(vfio.openFiles, 1 + 2);
    container.close();
    assert.equal(vfio.openFiles, 0);
  });

  it("keeps a group whose second device does not open", (test) => {
    const { vfio, options } = machine(test, [
      { bdf: BDF, hasCdev: false },
      { bdf: "0000:01:00.1", hasCdev: false },
    ]);
    const container = openContainer(BDF, options);
    container.openDevice(BDF);
    vfio.failing = { at: vfio.calls.length, errno: EIO };
    assert.throws(() => container.openDevice("0000:01:00.1"), { code: "ERR_SYSTEM" });
    assert.equal(vfio.openFiles, 3);
    container.close();
    assert.equal(vfio.openFiles, 0);
  });
});
