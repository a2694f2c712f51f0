import assert from "node:assert/strict";
import { constants } from "node:os";
import { describe, it, type TestContext } from "node:test";
import { HugebarError } from "./errors.ts";
import { SharedMemory } from "./memory/shared-memory.ts";
import { containerOf, type Container, type ContainerOptions } from "./open-container.ts";
import { SystemCallError } from "./system/system.ts";
import type { VfioApi } from "./vfio/container.ts";
import { fakeDevice } from "./vfio/devices.fixture.ts";
import { USABLE } from "./vfio/fake-space.fixture.ts";
import { FakeVfio, type FakeKernelShape } from "./vfio/fake-vfio.fixture.ts";
import { recordMachine } from "./vfio/sysfs/machine.fixture.ts";

const BDFS = ["0000:01:00.0", "0000:01:00.1"] as const;
const APIS: readonly VfioApi[] = ["group", "cdev"];
const { EACCES, EFAULT, EIO, ENOMEM, ENOSPC } = constants.errno;

function open(
  test: TestContext,
  options: ContainerOptions = {},
  shape: FakeKernelShape = {},
): { vfio: FakeVfio; container: Container; memory: SharedMemory } {
  const vfio = new FakeVfio(
    BDFS.map((bdf) => fakeDevice(bdf)),
    shape,
  );
  const sys = recordMachine(
    test,
    BDFS.map((bdf) => ({ bdf })),
  );
  const memory = new SharedMemory(0x4000);
  test.after(() => memory.close());
  return { vfio, container: containerOf("01:00.0", { ...options, sys, system: vfio.system }), memory };
}

describe("a log of what devices write", () => {
  it("is refused where the IOMMU has no bits for it, and nothing is changed", (test) => {
    const { vfio, container, memory } = open(test, { api: "cdev" }, { hasDirtyBits: false });
    assert.throws(() => container.dma.trackDirty(), {
      code: "ERR_NOT_SUPPORTED",
      message: /no device is open/,
    });
    const device = container.openDevice(BDFS[0]);
    assert.throws(() => device.dma.trackDirty(), {
      code: "ERR_NOT_SUPPORTED",
      message: /the IOMMU keeps no bits of what is written$/,
    });
    device.dma.map(memory, 0x10_0000n).close();
    container.close();
    assert.equal(vfio.openFiles, 0);
  });
});

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

  it("falls back to the group as openDevice does, where the cdev or the iommufd is not given", (test) => {
    for (const path of [`/dev/vfio/devices/vfio-${BDFS[0]}`, "/dev/iommu"]) {
      const { vfio, container } = open(test, {}, { refused: { [path]: EACCES } });
      assert.equal(container.api, "group", path);
      container.openDevice(BDFS[0]);
      container.close();
      assert.equal(vfio.openFiles, 0);
    }
  });

  it("says why by the cdev where neither is given", (test) => {
    const refused = { "/dev/iommu": EACCES, "/dev/vfio/vfio": EACCES };
    assert.throws(() => open(test, {}, { refused }), { code: "ERR_PERMISSION", message: /\/dev\/iommu/ });
  });
});

for (const api of APIS) {
  describe(`a container's DMA by ${api}`, () => {
    it("is one address space: what a device mapped goes with it, what the container mapped stays", (test) => {
      const { vfio, container, memory } = open(test, { api });
      const kept = container.dma.map(memory, 0x40_0000n);
      const [first, second] = BDFS.map((bdf) => container.openDevice(bdf));
      assert.ok(first !== undefined && second !== undefined);
      first.dma.map(memory, 0x10_0000n);
      second.dma.map(memory, 0x20_0000n);
      assert.throws(() => second.dma.map(memory, 0x10_0000n), { code: "ERR_BUSY" });
      assert.equal(container.dma.taken.length, 3);
      first.close();
      assert.deepEqual([...vfio.space.mapped.keys()], [0x40_0000n, 0x20_0000n]);
      second.close();
      assert.deepEqual([...vfio.space.mapped.keys()], [0x40_0000n], "with no device left");
      kept.close();
      assert.equal(vfio.space.mapped.size, 0);
      container.close();
      assert.equal(vfio.openFiles, 0);
      assert.throws(() => container.dma.map(memory, 0n), { code: "ERR_CLOSED" });
      assert.throws(() => first.dma, { code: "ERR_CLOSED" });
    });

    it("tells what may be mapped where", (test) => {
      const { container } = open(test, { api });
      const { usable, reserved, alignment, pageSizes, entriesLeft } = container.dma.ranges;
      assert.deepEqual(usable, USABLE);
      assert.deepEqual(reserved, [{ first: 0xfee0_0000n, last: 0xfeef_ffffn }]);
      assert.equal(alignment, 0x1000);
      const byGroup = { pageSizes: [0x1000, 0x20_0000, 0x4000_0000], entriesLeft: 65_535 };
      assert.deepEqual(
        { pageSizes, entriesLeft },
        api === "group" ? byGroup : { pageSizes: null, entriesLeft: null },
      );
      container.close();
    });

    it("logs what devices write, as long as it is wanted", (test) => {
      const { vfio, container, memory } = open(test, { api });
      const device = container.openDevice(BDFS[0]);
      const mapping = device.dma.map(memory, 0x10_0000n);
      const tracking = container.dma.trackDirty();
      assert.ok(vfio.space.logging);
      for (const page of [0x10_0000n, 0x10_2000n, 0x10_3000n]) vfio.space.dirty.add(page);
      assert.deepEqual(tracking.written(mapping), [
        { first: 0x10_0000n, last: 0x10_0fffn },
        { first: 0x10_2000n, last: 0x10_3fffn },
      ]);
      assert.deepEqual(tracking.written(mapping), []);
      container.openDevice(BDFS[1]);
      tracking.close();
      tracking.close();
      assert.ok(!vfio.space.logging);
      assert.throws(() => tracking.written(mapping), { code: "ERR_CLOSED" });
      container.dma.trackDirty().close();
      container.close();
    });

    it("says what the kernel refuses and why", (test) => {
      const { vfio, container, memory } = open(test, { api });
      const { dma } = container;
      const refusals: [bigint, string, RegExp][] = [
        [0xfee0_0000n, "ERR_ARGUMENT", /the IOMMU does not take all of it; usable are 0x0 to 0xfedfffff, 0x/],
        [2n ** 39n, "ERR_ARGUMENT", /the IOMMU does not take all of it/],
        [0x10_0800n, "ERR_ARGUMENT", /must be multiples of 4096$/],
      ];
      for (const [iova, code, message] of refusals) {
        assert.throws(() => dma.map(memory, iova), { code, message }, message.source);
      }
      const byErrno: [number, RegExp][] = [
        [ENOMEM, /locked, and this process may lock \d+ bytes; raise `ulimit -l`|has no memory left/],
        [ENOSPC, /as many mappings as it may; raise dma_entry_limit/],
        [EFAULT, /the memory is not this process's/],
        [EIO, /the device answered EIO \(i\/o error\)$/],
      ];
      for (const [errno, message] of byErrno) {
        vfio.failing = { at: vfio.calls.length, errno };
        assert.throws(() => dma.map(memory, 0x10_0000n), { message });
      }
      vfio.failing = null;
      assert.equal(dma.taken.length, 0);
      dma.map(memory, 0x10_0000n).close();
      container.close();
    });
  });

  describe(`closing a container by ${api}`, () => {
    it("goes on past a close that fails, and says so at the end", (test) => {
      const { vfio, container, memory } = open(test, { api });
      const devices = BDFS.map((bdf) => container.openDevice(bdf));
      devices[0]?.dma.map(memory, 0x10_0000n);
      const real = { ...vfio.system };
      let calls = 0;
      vfio.system.close = (fd) => {
        real.close(fd);
        calls += 1;
        throw new SystemCallError("close", EIO);
      };
      assert.throws(
        () => container.close(),
        (error) =>
          error instanceof HugebarError &&
          error.code === "ERR_CLOSE" &&
          /\(EIO\); close: i\/o error \(EIO\)/.test(error.message),
      );
      assert.ok(calls >= 3);
      assert.equal(vfio.openFiles, 0);
      container.close();
      assert.equal(vfio.openFiles, 0);
    });
  });
}
