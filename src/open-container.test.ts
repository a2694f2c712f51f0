import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { containerOf, type Container } from "./open-container.ts";
import { fakeDevice } from "./vfio/devices.fixture.ts";
import { FakeVfio } from "./vfio/fake-vfio.fixture.ts";
import { recordMachine } from "./vfio/machine.fixture.ts";

const BDFS = ["0000:01:00.0", "0000:01:00.1"] as const;

function open(test: TestContext): { vfio: FakeVfio; container: Container } {
  const vfio = new FakeVfio(BDFS.map((bdf) => fakeDevice(bdf)));
  const sys = recordMachine(
    test,
    BDFS.map((bdf) => ({ bdf })),
  );
  return { vfio, container: containerOf("01:00.0", { sys, system: vfio.system }) };
}

describe("openContainer", () => {
  it("holds the functions of one card, which one IOMMU group holds together", (test) => {
    const { vfio, container } = open(test);
    assert.equal(container.api, "cdev");
    const [first, second] = [container.openDevice("01:00.0"), container.openDevice(BDFS[1])];
    assert.deepEqual([first.name, second.name], BDFS);
    first.close();
    assert.equal(second.region(2).size, 64 * 2 ** 30);
    container.close();
    container.close();
    assert.equal(vfio.openFiles, 0);
    assert.throws(() => second.region(2), { code: "ERR_CLOSED" });
    assert.throws(() => container.openDevice(BDFS[0]), { code: "ERR_CLOSED" });
  });
});
