import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { constants } from "node:os";
import { linux } from "../../system/libc.ts";
import { SystemCallError, type System } from "../../system/system.ts";
import { Device } from "../device.ts";
import { memfdTransport, type Mapping, type MemfdTransport } from "../memfd-transport.fixture.ts";
import { PCI_COMMAND, PCI_COMMAND_MASTER, PCI_COMMAND_MEMORY } from "./pci-regs.ts";
import { VFIO_DEVICE_FLAGS_PCI, VFIO_PCI_CONFIG_REGION_INDEX } from "../transport/vfio-abi.ts";

const PAGE = linux.pageSize;
const opened: Device[] = [];
afterEach(() => {
  for (const device of opened.splice(0)) device.close();
});

interface Opened {
  readonly device: Device;
  readonly bar: Mapping;
  readonly requests: MemfdTransport["requests"];
}

/** A PCI device whose BAR 0 counts as a device's memory, decoding, with power management at 0x40. */
function open(system: System = linux, refuses: (offset: number) => boolean = () => false): Opened {
  const absent = { size: 0 };
  const regions = [
    { size: 4 * PAGE, backing: "device" } as const,
    ...Array.from({ length: 6 }, () => absent),
    { size: 4096, areas: [] },
    absent,
  ];
  const transport = memfdTransport(regions);
  const device = new Device(
    {
      ...transport,
      info: () => ({ ...transport.info(), flags: VFIO_DEVICE_FLAGS_PCI }),
      // As the kernel does it: the device is in D0 after it, and its registers are what they were.
      reset: () => transport.write(VFIO_PCI_CONFIG_REGION_INDEX, 0x44, new Uint8Array(2)),
      write(index, offset, source) {
        if (refuses(offset)) throw new SystemCallError("pwrite", constants.errno.EIO);
        transport.write(index, offset, source);
      },
    },
    system,
  );
  opened.push(device);
  const { config } = device;
  config.write32(0, 0x0010_1b36);
  config.write32(4, 0x0010_0002);
  config.write8(0x34, 0x40);
  config.write32(0x40, 0x0003_0001);
  return { device, bar: device.region(0).map(), requests: transport.requests };
}

const wordOf = (view: ArrayBuffer): number | undefined => new Uint32Array(view)[0];

describe("mappings of a device that turns fatal", () => {
  const ways: Record<string, readonly [off: (device: Device) => void, on: (device: Device) => void]> = {
    "region 7": [
      (device) => device.region(VFIO_PCI_CONFIG_REGION_INDEX).write(PCI_COMMAND, Uint8Array.of(0x04, 0)),
      (device) => device.region(VFIO_PCI_CONFIG_REGION_INDEX).write(PCI_COMMAND, Uint8Array.of(0x06, 0)),
    ],
    "a mapping of region 7": [
      (device) => device.region(VFIO_PCI_CONFIG_REGION_INDEX).map().write16(PCI_COMMAND, 0),
      (device) => device.region(VFIO_PCI_CONFIG_REGION_INDEX).map().write8(PCI_COMMAND, PCI_COMMAND_MEMORY),
    ],
    "device.config": [
      (device) => device.config.write16(PCI_COMMAND, 0),
      (device) => device.config.write16(PCI_COMMAND, PCI_COMMAND_MEMORY),
    ],
    "a write that begins before and ends behind the register": [
      (device) => device.region(VFIO_PCI_CONFIG_REGION_INDEX).write(2, new Uint8Array(4)),
      (device) => device.region(VFIO_PCI_CONFIG_REGION_INDEX).write(2, Uint8Array.of(0, 0, 2, 0, 0x10, 0)),
    ],
    D3hot: [(device) => device.config.setPowerState("D3hot"), (device) => device.config.setPowerState("D0")],
  };
  for (const [way, [off, on]] of Object.entries(ways)) {
    it(`fall back to the device's file first and come back after: ${way}`, () => {
      const { device, bar, requests } = open();
      bar.write32(0, 7);
      const view = bar.view(0, 8);
      off(device);
      assert.equal(bar.enabled, false);
      assert.equal(bar.read32(0), 7);
      assert.equal(requests.at(-1), "read 0x0+4");
      assert.equal(wordOf(view), 0, "the view reaches harmless memory");
      on(device);
      assert.equal(bar.enabled, true);
      const before = requests.length;
      assert.deepEqual([bar.read32(0), wordOf(view)], [7, 7]);
      assert.equal(requests.length, before);
    });
  }

  it("stay where nothing turns it off, D1 and D2 included", () => {
    const { device, bar } = open();
    device.enableBusMaster();
    device.disableBusMaster();
    device.config.setPowerState("D2");
    device.config.write32(0x48, 3);
    assert.equal(bar.enabled, true);
  });

  it("come back to what the user left: one that is switched off stays so", () => {
    const { device, bar } = open();
    bar.setEnabled(false);
    device.config.write16(PCI_COMMAND, 0);
    device.config.write16(PCI_COMMAND, PCI_COMMAND_MEMORY);
    assert.equal(bar.enabled, false);
    device.config.write16(PCI_COMMAND, 0);
    bar.setEnabled(true);
    assert.equal(bar.enabled, false);
    device.config.write16(PCI_COMMAND, PCI_COMMAND_MEMORY);
    assert.equal(bar.enabled, true);
  });

  it("come back with a reset, which wakes the device", () => {
    const { device, bar } = open();
    device.config.setPowerState("D3hot");
    assert.equal(bar.enabled, false);
    device.reset();
    assert.equal(bar.enabled, true);
    device.config.write16(PCI_COMMAND, 0);
    device.reset();
    assert.equal(bar.enabled, false, "memory decoding is off as before");
  });

  it("are not memory where they are made meanwhile", () => {
    const { device } = open();
    device.config.write16(PCI_COMMAND, 0);
    const late = device.region(0).map();
    assert.equal(late.enabled, false);
    device.config.write16(PCI_COMMAND, PCI_COMMAND_MEMORY);
    assert.equal(late.enabled, true);
  });

  it("follow what the device is, where the write fails", () => {
    let refusing = false;
    const { device, bar } = open(linux, () => refusing);
    refusing = true;
    assert.throws(() => device.config.write16(PCI_COMMAND, 0));
    assert.equal(bar.enabled, true);
  });

  it("keep the write from being made where one of them cannot fall back", () => {
    let refusing = false;
    const refuse = (call: string): void => {
      if (refusing) throw new SystemCallError(call, constants.errno.ENOMEM);
    };
    const system: System = {
      ...linux,
      mmap: (...call) => (refuse("mmap"), linux.mmap(...call)),
      memfd_create: (...call) => (refuse("memfd_create"), linux.memfd_create(...call)),
    };
    const { device, bar } = open(system);
    const other = device.region(0).map();
    const view = other.view(0, 8);
    bar.write32(0, 9);
    refusing = true;
    assert.throws(() => device.config.write16(PCI_COMMAND, PCI_COMMAND_MASTER), { code: "ERR_SYSTEM" });
    refusing = false;
    assert.equal(device.config.command, PCI_COMMAND_MEMORY);
    assert.deepEqual([bar.enabled, other.enabled, wordOf(view)], [true, true, 9]);
  });
});
