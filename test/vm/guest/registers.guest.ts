/** Devices as they are: configuration space, BARs of every kind, MSI-X tables, interrupts, DMA, several at once. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, describe, it } from "node:test";

import {
  PCI_CAP_ID_EXP,
  PCI_CAP_ID_MSIX,
  PCI_COMMAND,
  PCI_COMMAND_MASTER,
  PCI_COMMAND_MEMORY,
  PCI_MSIX_ENTRY_SIZE,
} from "../../../src/device/file/pci-regs.ts";
import type { Transport } from "../../../src/device/transport/transport.ts";
import {
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_MSI_IRQ_INDEX,
} from "../../../src/device/transport/vfio-abi.ts";
import { Device } from "../../../src/device/device.ts";
import type { Mapping } from "../../../src/device/region/mapping.ts";
import {
  EFD_CLOEXEC,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  POLLIN,
  PROT_READ,
  PROT_WRITE,
} from "../../../src/system/constants.ts";
import { linux } from "../../../src/system/libc.ts";
import { carveOut, msixPages } from "../../../src/vfio/function/msix-carve-out.ts";
import { openContainer as openDeviceContainer } from "../../../src/open-container.ts";
import { openContainer } from "../../../src/vfio/open-device.ts";
import { apis, openDevice, openWithTransport } from "./open.ts";
import { pageSize } from "./paging.ts";
import { bindTo, readAttribute } from "./pci.ts";

const testdev = "0000:00:10.0";
const nvme = "0000:00:12.0";
const e1000e = "0000:00:13.0";
const edus = ["0000:00:14.0", "0000:00:14.1"] as const;

before(() => {
  for (const bdf of [testdev, nvme, e1000e, ...edus]) bindTo(bdf);
});

for (const api of apis) {
  describe(`configuration space by ${api}`, () => {
    it("says what sysfs says", (t) => {
      for (const bdf of [testdev, nvme, e1000e]) {
        const { vendor, device, class: pciClass } = openDevice(t, bdf, api).config;
        const found = [vendor, device, pciClass].map((value) => value);
        assert.deepEqual(
          found,
          ["vendor", "device", "class"].map((name) => Number(readAttribute(bdf, name))),
        );
      }
    });

    it("lists the capabilities of an NVMe disk", (t) => {
      const { capabilities, command } = openDevice(t, nvme, api).config;
      const ids = capabilities.map(({ id }) => id);
      assert.ok(ids.includes(PCI_CAP_ID_MSIX) && ids.includes(PCI_CAP_ID_EXP), ids.join());
      assert.notEqual(command & PCI_COMMAND_MEMORY, 0);
    });
  });

  describe(`regions by ${api}`, () => {
    it("have the addresses of sysfs", (t) => {
      for (const bdf of [testdev, nvme, e1000e]) {
        const lines = readAttribute(bdf, "resource").split("\n");
        for (const { index, areas, physical } of openDevice(t, bdf, api).regions().slice(0, 6)) {
          if (areas.length > 0) assert.equal(physical, BigInt(lines[index]?.split(" ")[0] ?? "0"));
        }
      }
    });

    it("are all gap for I/O ports, configuration space and the expansion ROM", (t) => {
      const device = openDevice(t, e1000e, api);
      for (const [index, size] of [
        [2, 0x20],
        [6, 0x4_0000],
        [VFIO_PCI_CONFIG_REGION_INDEX, 0x1000],
      ] as const) {
        const region = device.region(index);
        assert.equal(region.size, size);
        const mapping = region.map();
        assert.deepEqual(mapping.areas, []);
        assert.deepEqual(mapping.gaps, [{ offset: 0, size }]);
        mapping.close();
      }
      // The signature of an expansion ROM, and the vendor that the device's own ROM is for (PCI Firmware 3.0, 5.1).
      assert.equal(device.region(6).map().read16(0), 0xaa55);
      assert.equal(device.region(VFIO_PCI_CONFIG_REGION_INDEX).map().read16(0), 0x8086);
    });

    it("reach registers by mapping and by file alike", (t) => {
      const mapping = openDevice(t, edus[0], api).region(0).map();
      const identification = 0x0100_00ed;
      const liveness = 0x04;
      assert.equal(mapping.read32(0), identification);
      mapping.write32(liveness, 0x1234_5678);
      assert.equal(mapping.read32(liveness), ~0x1234_5678 >>> 0);
      mapping.setEnabled(false);
      assert.equal(mapping.read32(0), identification);
      assert.equal(mapping.read32(liveness), ~0x1234_5678 >>> 0);
    });

    it("can be left unmapped", (t) => {
      const mapping = openDevice(t, edus[0], api).region(0).map({ map: false });
      assert.deepEqual(mapping.areas, []);
      assert.equal(mapping.read32(0), 0x0100_00ed);
    });

    it("are absent where the device has none, and refused where it can have none", (t) => {
      const device = openDevice(t, testdev, api);
      assert.equal(device.region(8).size, 0);
      assert.throws(() => device.region(9), { code: "ERR_REGION_INDEX", exitCode: 2 });
    });
  });

  describe(`an MSI-X table inside a BAR, by ${api}`, () => {
    for (const bdf of [nvme, e1000e]) {
      it(`is where the capability of ${bdf} says`, (t) => {
        const device = openDevice(t, bdf, api);
        const { msix } = device.config;
        assert.ok(msix !== null);
        const { table, pba, vectors } = msix;
        const region = device.region(table.bar);
        const mapping = region.map();
        // A reset masks every vector of the table (PCI Local Bus Specification 3.0, 6.8.2.9). Of a gap the kernel answers itself:
        // all ones for the table, which belongs to it (vfio_pci_bar_rw).
        const control = isMapped(mapping) ? 1 : 0xffff_ffff;
        const isAsItIs = (vector: number): boolean =>
          mapping.read32(table.offset + vector * PCI_MSIX_ENTRY_SIZE + 12) === control;
        assert.ok(Array.from({ length: vectors }, (_, vector) => vector).every(isAsItIs));
        mapping.close();

        const areas = carveOut(region.areas, msixPages(msix, table.bar, pageSize));
        const carved = region.map({ areas });
        assert.ok(
          carved.gaps.some(({ offset, size }) => offset <= table.offset && table.offset < offset + size),
        );
        const found = new Uint8Array(vectors * PCI_MSIX_ENTRY_SIZE);
        carved.copyOut(table.offset, found);
        t.diagnostic(`${bdf}: ${vectors} vectors at ${table.bar}:0x${table.offset.toString(16)}`);
        assert.ok(found.every((byte) => byte === 0xff));
        assert.equal(carved.read32(pba.offset), 0);
      });
    }
  });

  describe(`memory decoding by ${api}`, () => {
    const switchOff = (transport: Transport): void => {
      const command = new Uint8Array(2);
      transport.read(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, command);
      command[0] = (command[0] ?? 0) & ~PCI_COMMAND_MEMORY;
      transport.write(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, command);
    };

    it("refuses a mapping while it is off", (t) => {
      const { device, transport } = openWithTransport(t, edus[0], { api });
      switchOff(transport);
      assert.equal(device.config.command & PCI_COMMAND_MEMORY, 0);
      assert.throws(() => device.region(0).map(), {
        code: "ERR_REGION_MAP",
        message: /^Cannot map region 0 of 0000:00:14\.0: the device's memory decoding is off/,
      });
      assert.throws(() => device.region(0).read(0, new Uint8Array(4)), {
        code: "ERR_DEVICE",
        message:
          "Cannot read 4 bytes at 0x0 of region 0 of 0000:00:14.0: the device answered EIO (i/o error)",
      });
    });

    it("is switched on when asked for", (t) => {
      const { device, transport } = openWithTransport(t, edus[0], { api, enableMemory: true });
      switchOff(transport);
      assert.equal(device.region(0).map().read32(0), 0x0100_00ed);
    });
  });

  describe(`interrupts and DMA by ${api}`, () => {
    it("bring an interrupt to an eventfd", (t) => {
      const { device, transport } = openWithTransport(t, edus[0], { api });
      assert.equal(transport.irqInfo(VFIO_PCI_MSI_IRQ_INDEX).count, 1);
      const eventfd = linux.eventfd(0, EFD_CLOEXEC);
      t.after(() => linux.close(eventfd));
      const flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
      transport.setIrqs({ index: VFIO_PCI_MSI_IRQ_INDEX, flags, start: 0, count: 1, eventfds: [eventfd] });
      enableMaster(transport);
      const raiseInterrupt = 0x60;
      const acknowledge = 0x64;
      const registers = device.region(0).map();
      registers.write32(raiseInterrupt, 1);
      assert.equal(linux.poll([{ fd: eventfd, events: POLLIN, revents: 0 }], 5_000), 1);
      const counter = new Uint8Array(8);
      linux.read(eventfd, counter);
      assert.equal(counter[0], 1);
      registers.write32(acknowledge, 1);
    });

    it("let the device read and write memory that is mapped for it, and no other", (t) => {
      const { device, transport } = openWithTransport(t, edus[0], { api });
      const memory = anonymous(t, 2 * pageSize);
      memory.bytes.set([1, 2, 3, 4, 5, 6, 7, 8]);
      const iova = 0x10_0000n;
      transport.dma.map({
        address: memory.address,
        iova,
        size: 2 * pageSize,
        readable: true,
        writable: true,
      });
      enableMaster(transport);
      copyByDevice(device, Number(iova), Number(iova) + pageSize, 8);
      assert.deepEqual([...memory.bytes.subarray(pageSize, pageSize + 8)], [1, 2, 3, 4, 5, 6, 7, 8]);
      transport.dma.unmap(iova, 2 * pageSize);
      memory.bytes.fill(9);
      copyByDevice(device, Number(iova), Number(iova) + pageSize, 8);
      assert.ok(memory.bytes.every((byte) => byte === 9));
      assert.throws(() => transport.dma.unmap(0x500_0001n, 1), { code: /^ERR_/ });
    });

    it("leave the mappings of a container's devices behind with none of them", () => {
      const mapped = (): number =>
        readFileSync("/proc/self/maps", "utf8")
          .split("\n")
          .filter((line) => line.includes("vfio")).length;
      const container = openDeviceContainer(edus[0], { api });
      const devices = edus.map((bdf) => container.openDevice(bdf));
      for (const device of devices) assert.equal(device.region(0).map().read32(0), 0x0100_00ed);
      assert.equal(mapped(), 2);
      container.close();
      assert.equal(mapped(), 0);
      openDeviceContainer(edus[1], { api }).close();
    });

    it("share one address space between devices of a group and of several", (t) => {
      const container = openContainer(edus[0], { api });
      t.after(() => container.close());
      const [first, second, other] = [...edus, testdev].map((bdf) => container.openDevice(bdf));
      assert.ok(first !== undefined && second !== undefined && other !== undefined);
      assert.equal(other.info().regionCount, 9);
      const memory = anonymous(t, 2 * pageSize);
      const iova = 0x20_0000n;
      first.dma.map({ address: memory.address, iova, size: 2 * pageSize, readable: true, writable: true });
      for (const [index, transport] of [first, second].entries()) {
        memory.bytes.fill(index + 1, 0, 16);
        enableMaster(transport);
        copyByDevice(new Device(transport, linux), Number(iova), Number(iova) + pageSize, 16);
        assert.ok(memory.bytes.subarray(pageSize, pageSize + 16).every((byte) => byte === index + 1));
      }
    });
  });

  describe(`reset by ${api}`, () => {
    it("resets what the kernel can, and says where it cannot", (t) => {
      const device = openDevice(t, nvme, api);
      const { msix } = device.config;
      assert.ok(msix !== null);
      const mapping = device.region(msix.table.bar).map();
      mapping.write32(msix.table.offset, 0xfee0_0000);
      assert.equal(mapping.read32(msix.table.offset), isMapped(mapping) ? 0xfee0_0000 : 0xffff_ffff);
      device.reset();
      assert.equal(mapping.read32(msix.table.offset), isMapped(mapping) ? 0 : 0xffff_ffff);
      assert.throws(() => openDevice(t, testdev, api).reset(), {
        code: "ERR_NOT_SUPPORTED",
        message: "Cannot reset 0000:00:10.0: the kernel knows no way to reset this device",
      });
    });
  });
}

/** A BAR smaller than a page is not, where it shares that page. */
function isMapped({ areas }: Mapping): boolean {
  assert.ok(areas.length > 0 || pageSize > 0x1000);
  return areas.length > 0;
}

function enableMaster(transport: Transport): void {
  const command = new Uint8Array(2);
  transport.read(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, command);
  command[0] = (command[0] ?? 0) | PCI_COMMAND_MASTER;
  transport.write(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, command);
}

/** Has the edu device copy memory into its buffer and from there elsewhere (QEMU, docs/specs/edu.rst). */
function copyByDevice(device: Device, from: number, to: number, size: number): void {
  const buffer = 0x4_0000n;
  const registers = device.region(0).map();
  const transfer = (source: bigint, target: bigint, direction: bigint): void => {
    registers.write64(0x80, source);
    registers.write64(0x88, target);
    registers.write64(0x90, BigInt(size));
    registers.write64(0x98, 1n | (direction << 1n));
    for (const end = Date.now() + 10_000; (registers.read64(0x98) & 1n) !== 0n;) {
      assert.ok(Date.now() < end, "the device does not end its transfer");
    }
  };
  transfer(BigInt(from), buffer, 0n);
  transfer(buffer, BigInt(to), 1n);
  registers.close();
}

function anonymous(
  t: { after(call: () => void): void },
  size: number,
): { address: bigint; bytes: Uint8Array } {
  const address = linux.mmap(0n, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  t.after(() => linux.munmap(address, size));
  return { address, bytes: new Uint8Array(linux.view(address, size)) };
}
