/** Hot reset, low power and VF tokens, by both of the kernel's APIs, at the seam. */

import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Device } from "../../device/device.ts";
import type { DeviceOptions, VfioApi } from "../container.ts";
import { fakeDevice } from "../devices.fixture.ts";
import type { FakeDevice } from "../fake-device.fixture.ts";
import { FakeVfio, type FakeKernelShape } from "../fake-vfio.fixture.ts";
import { recordMachine } from "../sysfs/machine.fixture.ts";
import { openContainer } from "../open-device.ts";
import { VFIO_PCI_HOT_RESET } from "../ioctls/vfio-kernel-abi.ts";

const BDF = "0000:01:00.0";
const BESIDE = "0000:01:00.1";
const APIS: readonly VfioApi[] = ["group", "cdev"];
const TOKEN = "14a63f20-8599-42ea-8e07-1f1d0c1e2f30";

function open(
  test: TestContext,
  api: VfioApi,
  devices: readonly FakeDevice[],
  shape: FakeKernelShape = {},
): { vfio: FakeVfio; openDevice: (bdf: string, options?: DeviceOptions) => Device } {
  const vfio = new FakeVfio(devices, shape);
  const sys = recordMachine(
    test,
    devices.map(({ bdf, group }) => ({ bdf, group })),
  );
  const container = openContainer(BDF, { api, sys, system: vfio.system });
  test.after(() => {
    container.close();
    assert.equal(vfio.openFiles, 0);
  });
  return { vfio, openDevice: (bdf, options) => new Device(container.openDevice(bdf, options), vfio.system) };
}

for (const api of APIS) {
  describe(`hot reset by ${api}`, () => {
    it("names what it takes along, and is refused while some of that is not held", (test) => {
      const { vfio, openDevice } = open(test, api, [fakeDevice(BDF), fakeDevice(BESIDE, { group: 8 })]);
      const device = openDevice(BDF);
      assert.deepEqual(device.hotResetDevices(), [
        { name: BDF, owned: true },
        { name: BESIDE, owned: false },
      ]);
      assert.throws(() => device.hotReset(), { code: "ERR_BUSY", message: /would reset 0000:01:00\.1 too/ });
      openDevice(BESIDE);
      device.hotReset();
      const { argument } = vfio.requests.at(-1) ?? assert.fail();
      assert.equal(VFIO_PCI_HOT_RESET.decode(argument).count, api === "group" ? 2 : 0);
    });

    it("asks again where a bus holds more devices than there is room for", (test) => {
      const beside = Array.from({ length: 31 }, (_, index) =>
        fakeDevice(`0000:01:${(index + 1).toString(16).padStart(2, "0")}.0`, { group: 100 + index }),
      );
      const { openDevice } = open(test, api, [fakeDevice(BDF), ...beside]);
      const devices = openDevice(BDF).hotResetDevices();
      assert.equal(devices.length, 32);
      assert.deepEqual(devices[31], { name: "0000:01:1f.0", owned: false });
    });
  });

  describe(`low power by ${api}`, () => {
    it("is entered and left where the kernel has it", (test) => {
      const { vfio, openDevice } = open(test, api, [fakeDevice(BDF)], { hasLowPower: true });
      const device = openDevice(BDF);
      device.enterLowPower();
      device.exitLowPower();
      const flags = vfio.requests.slice(-4).map(({ argument }) => new Uint32Array(argument.buffer)[1]);
      assert.deepEqual(flags, [(6 << 16) | 3, (2 << 16) | 3, (6 << 16) | 5, (2 << 16) | 5]);
    });

    it("is refused where it has not", (test) => {
      const { openDevice } = open(test, api, [fakeDevice(BDF)]);
      assert.throws(() => openDevice(BDF).enterLowPower(), { code: "ERR_NOT_SUPPORTED" });
    });
  });

  describe(`a VF token by ${api}`, () => {
    it("opens the device that wants it, and only with the right one", (test) => {
      const { openDevice } = open(test, api, [fakeDevice(BDF, { vfToken: TOKEN })]);
      openDevice(BDF, { vfToken: TOKEN.toUpperCase() }).close();
      assert.throws(() => openDevice(BDF), {
        code: "ERR_PERMISSION",
        message: /open it with the vfToken \(--vf-token\) that the other side was opened with$/,
      });
      const other = TOKEN.replace("1", "2");
      assert.throws(() => openDevice(BDF, { vfToken: other }), {
        code: "ERR_PERMISSION",
        message: /the vfToken \(--vf-token\) is not the one that the other side/,
      });
      assert.throws(() => openDevice(BDF, { vfToken: "secret" }), {
        code: "ERR_ARGUMENT",
        message: /it must be a UUID/,
      });
    });

    it("is refused by a device that has no use for it", (test) => {
      const { openDevice } = open(test, api, [fakeDevice(BDF)]);
      assert.throws(() => openDevice(BDF, { vfToken: TOKEN }), { code: "ERR_PERMISSION" });
    });
  });
}
