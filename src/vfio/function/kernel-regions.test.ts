import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { GIB, MIB } from "../../layout/sizes.ts";
import { fakeDevice, plainRegion } from "../devices.fixture.ts";
import type { FakeRegion } from "../fake-device.fixture.ts";
import { FakeVfio } from "../fake-vfio.fixture.ts";
import { recordMachine } from "../sysfs/machine.fixture.ts";
import { openVfioDevice } from "../open-device.ts";

const BDF = "0009:01:00.0";

/** The device's BARs as sysfs lists them: 0 of 16 KiB, 2 of 32 MiB, 4 of 128 MiB. */
const RESOURCES = [
  "0x0000042000000000 0x0000042000003fff 0x000000000014220c",
  "0x0000000000000000 0x0000000000000000 0x0000000000000000",
  "0x0000044002000000 0x0000044003ffffff 0x000000000014220c",
  "0x0000000000000000 0x0000000000000000 0x0000000000000000",
  "0x0000044008000000 0x000004400fffffff 0x000000000014220c",
];

/** The physical addresses told of regions 0, 2 and 4, where the driver gives regions 2 and 4 of these sizes. */
function physicalOf(test: TestContext, driver: string, sizes: readonly [two: number, four: number]) {
  const fake = fakeDevice(BDF);
  const regions: FakeRegion[] = [...fake.regions];
  regions[2] = plainRegion(sizes[0]);
  regions[4] = plainRegion(sizes[1]);
  const vfio = new FakeVfio([{ ...fake, regions }]);
  const sys = recordMachine(test, [
    { bdf: BDF, driver, vfioDevice: `vfio-${BDF}`, vendor: 0x10de, resources: RESOURCES },
  ]);
  const device = openVfioDevice(BDF, { sys, system: vfio.system });
  test.after(() => device.close());
  return [0, 2, 4].map((index) => device.regionInfo(index).physical);
}

describe("a region's physical address", () => {
  const BARS = [0x420_0000_0000n, 0x440_0200_0000n, 0x440_0800_0000n];

  it("is not the BAR's for the memory that nvgrace-gpu gives in its place", (test) => {
    for (const driver of ["nvgrace-gpu-vfio-pci", "nvgrace_gpu_vfio_pci", "nvgrace-gpu"]) {
      // RESMEM and USEMEM of a GB200: 1 GiB, and 256 GiB behind which not all is memory.
      assert.deepEqual(physicalOf(test, driver, [GIB, 256 * GIB]), [BARS[0], null, null], driver);
      // One of them alone; a BAR that is larger than what stands in its place.
      assert.deepEqual(physicalOf(test, driver, [32 * MIB, MIB]), [BARS[0], BARS[1], null], driver);
    }
  });

  it("is the BAR's where nvgrace-gpu gives the BARs themselves, for want of memory of its own", (test) => {
    assert.deepEqual(physicalOf(test, "nvgrace-gpu-vfio-pci", [32 * MIB, 128 * MIB]), BARS);
  });

  it("is the BAR's with any driver that gives nothing else, whatever size it says", (test) => {
    assert.deepEqual(physicalOf(test, "vfio-pci", [64 * MIB, 128 * MIB]), BARS);
  });
});
