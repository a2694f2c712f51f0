/** What a container's devices share, and what the kernel does with a device besides regions, by both of its APIs. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { before, describe, it, type TestContext } from "node:test";

import type { Device } from "../../../src/device/device.ts";
import { openContainer, openDevice, SharedMemory, type Container } from "../../../src/index.ts";
import { apis } from "./open.ts";
import { bindTo, deviceFolder } from "./pci.ts";

const nvme = "0000:00:12.0";
/** Two functions of one device, in one IOMMU group. */
const pair = ["0000:00:15.0", "0000:00:15.1"] as const;
const EDU_BUFFER = 0x4_0000n;

before(() => {
  for (const bdf of [nvme, ...pair]) bindTo(bdf);
});

function open(
  t: TestContext,
  api: Container["api"],
): { container: Container; devices: Device[]; memory: SharedMemory } {
  const container = openContainer(pair[0], { api });
  const memory = new SharedMemory(0x3000);
  t.after(() => {
    container.close();
    memory.close();
  });
  const devices = pair.map((bdf) => container.openDevice(bdf, { enableMemory: true }));
  for (const device of devices) device.enableBusMaster();
  return { container, devices, memory };
}

/** Has an edu device fetch from `source` and store to `destination`, a byte; nothing comes of what it may not reach. */
async function copyByte(device: Device, source: bigint, destination: bigint): Promise<void> {
  const registers = device.region(0).map();
  for (const [from, to, command] of [
    [source, EDU_BUFFER, 1n],
    [EDU_BUFFER, destination, 3n],
  ] as const) {
    registers.write64(0x80, from);
    registers.write64(0x88, to);
    registers.write64(0x90, 1n);
    registers.write64(0x98, command);
    while ((registers.read32(0x98) & 1) !== 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  registers.close();
}

for (const api of apis) {
  describe(`a container by ${api}`, () => {
    it("takes what a device mapped along with it, and keeps what it mapped itself", async (t) => {
      const { container, devices, memory } = open(t, api);
      const [first, second] = devices;
      assert.ok(first !== undefined && second !== undefined);
      container.dma.map(memory, 0x10_0000n, { size: 0x1000 });
      first.dma.map(memory, 0x20_0000n, { offset: 0x1000, size: 0x1000 });
      const bytes = memory.bytes(0, 0x2000);
      bytes.set([1, 2]);
      await copyByte(second, 0x10_0001n, 0x20_0000n);
      assert.equal(bytes[0x1000], 2);
      assert.throws(() => second.dma.map(memory, 0x20_0000n), { code: "ERR_BUSY" });
      first.close();
      bytes[0x1000] = 77;
      await copyByte(second, 0x10_0000n, 0x20_0000n);
      assert.equal(bytes[0x1000], 77, "what the first mapped is out of the second's reach");
      await copyByte(second, 0x10_0001n, 0x10_0000n);
      assert.equal(bytes[0], 2, "what the container mapped is not");
      second.dma.map(memory, 0x20_0000n, { offset: 0x1000, size: 0x1000 });
      second.close();
      const third = container.openDevice(pair[0], { enableMemory: true });
      third.enableBusMaster();
      bytes[0] = 5;
      await copyByte(third, 0x10_0000n, 0x10_0001n);
      assert.equal(bytes[1], 5, "and stays while no device is open");
    });

    it("says what may be mapped, and what of it the kernel refuses", (t) => {
      const { container, memory } = open(t, api);
      const { dma } = container;
      const { usable, reserved, alignment } = dma.ranges;
      assert.equal(alignment, 4096);
      assert.ok(usable.length > 0);
      // Where x86 has its interrupts (arch_get_resv_regions).
      const interrupts = { first: 0xfee0_0000n, last: 0xfeef_ffffn };
      assert.ok(reserved.some(({ first, last }) => first <= interrupts.first && interrupts.last <= last));
      const last = usable.at(-1)?.last ?? 0n;
      assert.throws(() => dma.map(memory, 2n ** 64n + 0x30_0000n), { code: "ERR_ARGUMENT" });
      assert.throws(() => dma.map(memory, interrupts.first), {
        code: "ERR_ARGUMENT",
        message: /does not take/,
      });
      assert.throws(() => dma.map(memory, last + 1n), { code: "ERR_ARGUMENT" });
      assert.throws(() => dma.map(memory, 0x10_0800n), {
        code: "ERR_ARGUMENT",
        message: /multiples of 4096/,
      });
      dma.map(memory, last - 0x2fffn).close();
      const entries = dma.ranges.entriesLeft;
      const allocated = Array.from({ length: 10 }, (_, index) => dma.allocate(4096 * (index + 1)));
      if (entries !== null) assert.equal(dma.ranges.entriesLeft, entries - 10);
      for (const each of allocated) each.close();
      assert.equal(dma.taken.length, 0);
    });

    it("logs what its devices write, or says that its IOMMU cannot", async (t) => {
      const { container, devices } = open(t, api);
      const memory = container.dma.allocate(0x4000, { highest: 0xfff_ffffn });
      try {
        const tracking = container.dma.trackDirty();
        assert.ok(devices[0] !== undefined);
        await copyByte(devices[0], memory.iova, memory.iova + 0x2000n);
        const written = tracking.written(memory);
        t.diagnostic(`written: ${written.map(({ first, last }) => `${first}-${last}`).join(" ")}`);
        assert.ok(
          written.some(({ first, last }) => first <= memory.iova + 0x2000n && memory.iova + 0x2000n <= last),
        );
        tracking.close();
      } catch (error) {
        assert.ok(
          error instanceof Error && "code" in error && error.code === "ERR_NOT_SUPPORTED",
          String(error),
        );
        assert.equal(api, "cdev", "type1 always has a log");
        t.diagnostic(error.message);
      }
    });
  });

  describe(`a device by ${api}`, () => {
    it("has extended capabilities, a power state, and wakes up again", (t) => {
      const device = openDevice(nvme, { api, enableMemory: true });
      t.after(() => device.close());
      const { config } = device;
      t.diagnostic(`extended: ${JSON.stringify(config.extendedCapabilities)}; ${config.powerState}`);
      assert.ok(config.size === 4096 && config.powerState === "D0");
      config.setPowerState("D3hot");
      assert.equal(config.powerState, "D3hot");
      config.setPowerState("D0");
      assert.equal(config.powerState, "D0");
      device.enableBusMaster();
      assert.ok(config.busMaster);
      device.disableBusMaster();
      assert.ok(!config.busMaster);
    });

    it("is reset hot, or says why it cannot be; and likewise low power", (t) => {
      const device = openDevice(nvme, { api, enableMemory: true });
      t.after(() => device.close());
      const attempts: Record<string, () => void> = {
        "hot reset": () => {
          t.diagnostic(JSON.stringify(device.hotResetDevices()));
          device.hotReset();
        },
        "low power": () => {
          const bar = device.region(0).map();
          const version = bar.read32(8);
          device.enterLowPower();
          assert.ok(!bar.enabled);
          assert.equal(bar.read32(8), version);
          device.exitLowPower();
          assert.equal(bar.read32(8), version);
          t.diagnostic("low power entered and left");
        },
      };
      for (const [name, attempt] of Object.entries(attempts)) {
        try {
          attempt();
        } catch (error) {
          assert.ok(error instanceof Error && "code" in error, String(error));
          assert.ok(error.code === "ERR_NOT_SUPPORTED" || error.code === "ERR_BUSY", error.message);
          t.diagnostic(`${name}: ${error.message}`);
        }
      }
    });

    it("is asked for, and given back", async (t) => {
      const device = openDevice(nvme, { api });
      t.after(() => device.close());
      const asked = device.interrupts("req").events(0);
      // Waits in the kernel until the device is closed.
      const unbind = spawn("sh", ["-c", `echo ${nvme} > ${deviceFolder(nvme)}/driver/unbind`]);
      const ended = once(unbind, "exit");
      const { done, value } = await asked.next();
      assert.equal(done, false);
      assert.ok(typeof value === "number" && value > 0);
      device.close();
      assert.deepEqual(await ended, [0, null]);
      bindTo(nvme);
    });
  });
}
