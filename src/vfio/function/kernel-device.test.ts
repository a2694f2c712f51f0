import assert from "node:assert/strict";
import { constants } from "node:os";
import { describe, it, type TestContext } from "node:test";
import { Device } from "../../device/device.ts";
import { PCI_COMMAND } from "../../device/file/pci-regs.ts";
import type { Transport } from "../../device/transport/transport.ts";
import {
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_REGION_INFO,
} from "../../device/transport/vfio-abi.ts";
import { HugebarError } from "../../errors.ts";
import { GIB } from "../../layout/sizes.ts";
import { SystemCallError, type System } from "../../system/system.ts";
import { configBytes, fakeDevice, plainRegion } from "../devices.fixture.ts";
import { REGION_STRIDE, type FakeDevice } from "../fake-device.fixture.ts";
import { FakeVfio, type FakeKernelShape } from "../fake-vfio.fixture.ts";
import { recordMachine } from "../sysfs/machine.fixture.ts";
import { openVfioDevice } from "../open-device.ts";
import { VFIO_DEVICE_GET_REGION_INFO } from "../ioctls/vfio-kernel-abi.ts";

const BDF = "0000:01:00.0";
const CONFIG = 7;

/** What the errnos of an open device come to. */
const FAILURES = [
  { errno: constants.errno.EIO, code: "ERR_DEVICE" },
  { errno: constants.errno.EPERM, code: "ERR_PERMISSION" },
  { errno: constants.errno.ENODEV, code: "ERR_DISCONNECTED" },
  { errno: constants.errno.EOPNOTSUPP, code: "ERR_NOT_SUPPORTED" },
] as const;

interface Opened {
  readonly vfio: FakeVfio;
  readonly device: Transport;
  readonly config: Uint8Array;
}

function open(
  test: TestContext,
  more: Partial<FakeDevice> = {},
  options: FakeKernelShape & { enableMemory?: boolean; around?: (system: System) => System } = {},
): Opened {
  const { enableMemory = false, around = (system) => system, ...shape } = options;
  const resources = [
    "0x00000000fe000000 0x00000000fe003fff 0x0000000000040200",
    "0x0000000000000000 0x0000000000000000 0x0000000000000000",
    "0x0000004000000000 0x0000004fffffffff 0x000000000014220c",
    "0x0000000000000000 0x0000000000000000 0x0000000000000000",
    "0x000000000000e000 0x000000000000e07f 0x0000000000040101",
  ];
  const fake = fakeDevice(BDF, more);
  const vfio = new FakeVfio([fake], shape);
  const sys = recordMachine(test, [{ bdf: BDF, resources }]);
  const device = openVfioDevice(BDF, { sys, system: around(vfio.system), enableMemory });
  test.after(() => {
    device.close();
    assert.equal(vfio.openFiles, 0);
  });
  return { vfio, device, config: fake.regions[CONFIG]?.bytes ?? new Uint8Array() };
}

describe("regionInfo", () => {
  it("gives a BAR's size, place in the file and physical address", (test) => {
    const { device } = open(test);
    const { fd, ...info } = device.regionInfo(2);
    assert.equal(typeof fd, "number");
    assert.deepEqual(info, {
      index: 2,
      size: 64 * GIB,
      flags: 7,
      fdOffset: 2 * REGION_STRIDE,
      areas: [{ offset: 0, size: 64 * GIB }],
      physical: 0x40_0000_0000n,
      driver: "vfio-pci",
      backing: "device",
    });
  });

  it("has no areas for an I/O-port BAR, the ROM, configuration space and an absent BAR", (test) => {
    const { device } = open(test);
    for (const index of [1, 4, 6, 7, 8]) {
      const { areas, fd, physical } = device.regionInfo(index);
      assert.deepEqual({ areas, fd, physical }, { areas: [], fd: null, physical: null }, String(index));
    }
  });

  it("carves the MSI-X table and its pending bits out where the kernel does not say they are mappable", (test) => {
    const { device } = open(test);
    assert.deepEqual(device.regionInfo(0).areas, [{ offset: 0, size: 0x2000 }]);
  });

  it("leaves them in where the kernel says so", (test) => {
    const regions = fakeDevice(BDF).regions.with(0, plainRegion(0x4000, { msixMappable: true }));
    const { device } = open(test, { regions });
    assert.deepEqual(device.regionInfo(0).areas, [{ offset: 0, size: 0x4000 }]);
  });

  it("asks again with room for the capability chain", (test) => {
    const sparseAreas = [
      { offset: 0, size: 0x2f_00f0_0000 },
      { offset: 0x30_0000_0000, size: 0x1000 },
    ];
    const regions = fakeDevice(BDF).regions.with(
      2,
      plainRegion(256 * GIB, { sparseAreas, msixMappable: true }),
    );
    const { vfio, device } = open(test, { regions });
    assert.deepEqual(device.regionInfo(2).areas, sparseAreas);
    device.regionInfo(2);
    const asked = vfio.requests.filter(({ name }) => name === "VFIO_DEVICE_GET_REGION_INFO");
    assert.deepEqual(
      asked.map(({ argument }) => argument.length),
      [32, 32 + 16 + 2 * 16 + 8],
    );
  });

  it("does not believe a kernel that asks for gigabytes", (test) => {
    const { device } = open(
      test,
      {},
      {
        around: (system) => ({
          ...system,
          ioctl(fd, request, argument) {
            const result = system.ioctl(fd, request, argument);
            if (request === VFIO_DEVICE_GET_REGION_INFO && typeof argument !== "number") {
              VFIO_REGION_INFO.encodeInto(argument, 0, {
                ...VFIO_REGION_INFO.decode(argument),
                argsz: 0xffff_ffff,
              });
            }
            return result;
          },
        }),
      },
    );
    assert.throws(() => device.regionInfo(2), {
      code: "ERR_PROTOCOL",
      message:
        /^Cannot read the description of region 2 of 0000:01:00\.0: the kernel asks for .* to describe it$/,
    });
  });

  it("refuses an index that the device does not have", (test) => {
    const { device } = open(test);
    for (const index of [9, -1, 0.5]) {
      assert.throws(() => device.regionInfo(index), {
        code: "ERR_REGION_INDEX",
        exitCode: 2,
        message: `Cannot use region ${index} of 0000:01:00.0: it has regions 0 to 8`,
      });
    }
  });
});

describe("read and write", () => {
  it("go to the region's place in the device's file", (test) => {
    const { device, config } = open(test);
    device.write(CONFIG, 0x50, Uint8Array.of(1, 2, 3));
    assert.deepEqual([...config.subarray(0x50, 0x53)], [1, 2, 3]);
    const word = new Uint8Array(2);
    device.read(CONFIG, 0, word);
    assert.deepEqual([...word], [0x36, 0x1b]);
  });

  it("ask for the rest when the kernel stops early", (test) => {
    const { device } = open(
      test,
      {},
      {
        around: (system) => ({
          ...system,
          pread: (fd, target, offset) => system.pread(fd, target.subarray(0, 3), offset),
        }),
      },
    );
    const bytes = new Uint8Array(8);
    device.read(CONFIG, 0, bytes);
    assert.deepEqual(bytes, configBytes().subarray(0, 8));
  });

  it("say what came when the kernel ends early", (test) => {
    const { device } = open(test);
    assert.throws(() => device.read(CONFIG, 0xfc, new Uint8Array(8)), {
      code: "ERR_ACCESS_RANGE",
      message: "Cannot read 8 bytes at 0xfc of region 7 of 0000:01:00.0: the kernel moved only 4",
    });
  });

  it("name the device's errno", (test) => {
    const { vfio, device } = open(test);
    device.regionInfo(2);
    vfio.failing = { at: vfio.calls.length, errno: constants.errno.EIO };
    assert.throws(() => device.read(2, 0x10, new Uint8Array(4)), {
      code: "ERR_DEVICE",
      message: "Cannot read 4 bytes at 0x10 of region 2 of 0000:01:00.0: the device answered EIO (i/o error)",
    });
  });
});

describe("prepareToMap", () => {
  it("lets a device that decodes memory be mapped", (test) => {
    open(test).device.prepareToMap(2);
  });

  it("refuses a device whose memory decoding is off, and says how to switch it on", (test) => {
    const { device, config } = open(test);
    config[PCI_COMMAND] = 0x04;
    assert.throws(() => device.prepareToMap(2), {
      code: "ERR_REGION_MAP",
      message:
        "Cannot map region 2 of 0000:01:00.0: the device's memory decoding is off, and touching the mapping would be a fatal signal; open the device with enableMemory (--enable-memory) to switch it on",
    });
  });

  it("switches memory decoding on when asked to, and nothing else", (test) => {
    const { device, config } = open(test, {}, { enableMemory: true });
    config[PCI_COMMAND] = 0x04;
    device.prepareToMap(2);
    assert.equal(config[PCI_COMMAND], 0x06);
  });

  it("says so when it does not stay on", (test) => {
    const { device, config } = open(
      test,
      {},
      {
        enableMemory: true,
        around: (system) => ({ ...system, pwrite: (_, source) => source.length }),
      },
    );
    config[PCI_COMMAND] = 0x04;
    assert.throws(() => device.prepareToMap(2), { code: "ERR_REGION_MAP", message: /stays off/ });
  });
});

describe("interrupts, reset and DMA", () => {
  it("describe and set an interrupt", (test) => {
    const { vfio, device } = open(test);
    assert.deepEqual(device.irqInfo(2), { index: 2, flags: 1, count: 65 });
    const flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    device.setIrqs({ index: 2, flags, start: 1, count: 2, eventfds: [8, -1] });
    const { argument } = vfio.requests.at(-1) ?? assert.fail();
    const words = [...new Int32Array(argument.buffer)];
    assert.deepEqual(words, [28, flags, 2, 1, 2, 8, -1]);
    assert.throws(() => device.irqInfo(5), { code: "ERR_ARGUMENT" });
  });

  it("reset where the kernel can", (test) => {
    const { vfio, device } = open(test);
    device.reset();
    assert.equal(vfio.calls.at(-1), "VFIO_DEVICE_RESET");
    assert.throws(() => open(test, { flags: 2 }).device.reset(), { code: "ERR_NOT_SUPPORTED" });
  });

  it("enter memory into the device's address space and take it out", (test) => {
    const { vfio, device } = open(test);
    const range = {
      address: 0x7f00_0000_0000n,
      iova: 0x10_0000n,
      size: 0x2000,
      readable: true,
      writable: false,
    };
    device.dma.map(range);
    device.dma.unmap(range.iova, range.size);
    const [map, unmap] = vfio.requests.slice(-2).map(({ name, argument }) => ({
      name,
      words: [...new BigUint64Array(argument.buffer)],
    }));
    assert.deepEqual(map, {
      name: "IOMMU_IOAS_MAP",
      words: [(5n << 32n) | 40n, 5n, range.address, 0x2000n, range.iova],
    });
    assert.deepEqual(unmap, { name: "IOMMU_IOAS_UNMAP", words: [(5n << 32n) | 24n, range.iova, 0x2000n] });
    vfio.failing = { at: vfio.calls.length, errno: constants.errno.EBUSY };
    assert.throws(() => device.dma.map(range), {
      code: "ERR_BUSY",
      message: "Cannot map 8192 bytes at 0x100000 for DMA of 0000:01:00.0: the device is busy",
    });
  });
});

describe("exportDmaBuf", () => {
  it("gives one buffer for the area, its feature probed first", (test) => {
    const { vfio, device } = open(test, {}, { hasDmaBuf: true });
    const fd = device.exportDmaBuf(2, { offset: 0x1000, size: 0x2000 });
    const [probe, get] = vfio.requests.slice(-2).map(({ argument }) => argument);
    assert.deepEqual([...new Uint32Array(probe?.buffer ?? assert.fail())], [8, (1 << 18) | (1 << 16) | 11]);
    assert.deepEqual(
      [...new Uint32Array(get?.buffer ?? assert.fail())],
      [40, (1 << 16) | 11, 2, 0x80002, 0, 1, 0x1000, 0, 0x2000, 0],
    );
    vfio.system.close(fd);
  });

  it("says which kernels have it where this one has not", (test) => {
    assert.throws(() => open(test).device.exportDmaBuf(2, { offset: 0, size: 0x1000 }), {
      code: "ERR_NOT_SUPPORTED",
      message:
        "Cannot export region 2 of 0000:01:00.0 as a dma-buf: this kernel has no VFIO_DEVICE_FEATURE_DMA_BUF; Linux 6.19 and newer have it",
    });
  });
});

describe("every request of an open device failing in turn", () => {
  const area = { offset: 0, size: 0x1000 };
  const range = { address: 0n, iova: 0n, size: 0x1000, readable: true, writable: true };
  const requests: Record<string, (device: Transport, system: System) => void> = {
    "read the description of region 2": (device) => void device.regionInfo(2),
    "read 4 bytes at 0x0 of region 2": (device) => device.read(2, 0, new Uint8Array(4)),
    "write 4 bytes at 0x0 of region 2": (device) => device.write(2, 0, new Uint8Array(4)),
    "read 2 bytes at 0x4 of region 7": (device) => device.prepareToMap(2),
    "read the description of interrupt 1": (device) => void device.irqInfo(1),
    "set interrupt 1": (device) => device.setIrqs({ index: 1, flags: 0, start: 0, count: 0 }),
    "map memory for DMA and unmap it": (device) => {
      device.dma.map(range);
      device.dma.unmap(0n, 0x1000);
    },
    "read what DMA may be": (device) => void device.dma.limits(),
    reset: (device) => device.reset(),
    "export region 2": (device, system) => system.close(device.exportDmaBuf(2, area)),
  };
  for (const [action, request] of Object.entries(requests)) {
    it(`says so: ${action}`, (test) => {
      const { vfio, device } = open(test, {}, { hasDmaBuf: true });
      const first = vfio.calls.length;
      request(device, vfio.system);
      const steps = vfio.calls.slice(first).filter((call) => call !== "close").length;
      assert.ok(steps > 0);
      for (const { errno, code } of FAILURES) {
        for (let step = 0; step < steps; step += 1) {
          const fresh = open(test, {}, { hasDmaBuf: true });
          const { openFiles } = fresh.vfio;
          fresh.vfio.failing = { at: fresh.vfio.calls.length + step, errno };
          assert.throws(
            () => request(fresh.device, fresh.vfio.system),
            (error) => {
              assert.ok(
                error instanceof HugebarError && error.cause instanceof SystemCallError,
                String(error),
              );
              assert.match(error.message, /^Cannot (read|write|set|map|unmap|reset|export) .*0000:01:00\.0/);
              assert.equal(error.code, code);
              return true;
            },
          );
          assert.equal(fresh.vfio.openFiles, openFiles);
          fresh.vfio.failing = null;
          fresh.vfio.space.mapped.clear();
          request(fresh.device, fresh.vfio.system);
        }
      }
    });
  }
});

describe("the config of a Device", () => {
  it("is decoded from region 7, anew each time", (test) => {
    const { vfio, device, config } = open(test);
    const opened = new Device(device, vfio.system);
    assert.equal(opened.config.class, 0x010802);
    assert.equal(opened.config.msix?.vectors, 65);
    config[PCI_COMMAND] = 0;
    assert.equal(opened.config.command & 0xff, 0);
    opened.close();
    assert.throws(() => opened.config, { code: "ERR_CLOSED" });
  });

  it("is refused for a device that is not PCI", (test) => {
    const { vfio, device } = open(test, { flags: 0 });
    assert.throws(() => new Device(device, vfio.system).config, {
      code: "ERR_NOT_SUPPORTED",
      message: "Cannot read the configuration space of 0000:01:00.0: it is no PCI device",
    });
  });
});

describe("a closed device", () => {
  it("refuses everything", (test) => {
    const { device } = open(test);
    device.close();
    const calls = [
      () => device.regionInfo(0),
      () => device.read(0, 0, new Uint8Array(1)),
      () => device.write(0, 0, new Uint8Array(1)),
      () => device.reset(),
      () => device.irqInfo(0),
      () => device.dma.unmap(0n, 0),
      () => device.exportDmaBuf(0, { offset: 0, size: 1 }),
    ];
    for (const call of calls) {
      assert.throws(call, (error) => error instanceof HugebarError && error.code === "ERR_CLOSED");
    }
  });
});
