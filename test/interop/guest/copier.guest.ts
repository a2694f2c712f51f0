/** In a guest: a device that hugebar serves outside, first without a driver, then driven by hugebar in here. */

import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";

import { decodeConfigSpace, walkExtendedCapabilities } from "../../../src/device/file/config-space.ts";
import {
  PCI_CAP_ID_EXP,
  PCI_CAP_ID_MSIX,
  PCI_COMMAND,
  PCI_COMMAND_MASTER,
} from "../../../src/device/file/pci-regs.ts";
import type { Transport } from "../../../src/device/transport/transport.ts";
import {
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
} from "../../../src/device/transport/vfio-abi.ts";
import { EFD_CLOEXEC, POLLIN } from "../../../src/system/constants.ts";
import { linux } from "../../../src/system/libc.ts";
import { apis, openWithTransport } from "../../vm/guest/open.ts";
import { bindTo, deviceFolder, readAttribute, unbind } from "../../vm/guest/pci.ts";
import {
  COMMANDS,
  DVSEC,
  GAP,
  IDENTIFICATION,
  MEMORY_BAR,
  MEMORY_SIZE,
  MSIX_BAR,
  PORT_BAR,
  PORTS,
  REGISTER_BAR,
  REGISTERS,
  SCRATCH,
  STATUS,
  VECTORS,
} from "../copier-registers.ts";
import { copy } from "./copier.ts";
import { newPages, physicalAddressOf } from "./physical-page.ts";
import { enable, mapResource } from "./sysfs-bar.ts";

const bdf = "0000:00:18.0";
const pageSize = linux.pageSize;

describe("a served device on the guest's bus", () => {
  it("is what its author says", () => {
    const found = ["vendor", "device", "class", "revision"].map((name) => readAttribute(bdf, name));
    assert.deepEqual(found, ["0x1b36", "0x0c0b", "0x0b4000", "0x03"]);
    const sizes = readAttribute(bdf, "resource")
      .split("\n")
      .slice(0, 6)
      .map((line) => {
        const [start = 0n, end = 0n] = line.split(" ").map(BigInt);
        return end === 0n ? 0 : Number(end - start + 1n);
      });
    assert.deepEqual(sizes, [pageSize, 0, MEMORY_SIZE, 0, pageSize, PORTS]);
    const { capabilities, msix } = decodeConfigSpace(readFileSync(join(deviceFolder(bdf), "config")), bdf);
    const ids = capabilities.map(({ id }) => id);
    assert.ok(ids.includes(PCI_CAP_ID_EXP) && ids.includes(PCI_CAP_ID_MSIX), ids.join());
    assert.deepEqual([msix?.vectors, msix?.table.bar], [VECTORS, MSIX_BAR]);
  });

  it("has BARs of each kind", (t) => {
    const [IO, MEMORY, PREFETCHABLE, WIDE] = [0x100, 0x200, 0x2000, 0x10_0000]; // linux/ioport.h
    const flags = readAttribute(bdf, "resource")
      .split("\n")
      .slice(0, 6)
      .map((line) => Number(line.split(" ")[2]) & (IO | MEMORY | PREFETCHABLE | WIDE));
    assert.deepEqual(flags, [MEMORY | WIDE, 0, MEMORY | WIDE | PREFETCHABLE, 0, MEMORY, IO]);
    enable(t, bdf);
    const ports = openSync(join(deviceFolder(bdf), `resource${PORT_BAR}`), "r+");
    t.after(() => closeSync(ports));
    writeSync(ports, Uint8Array.of(0x12, 0x34, 0x56, 0x78), 0, 4, 4);
    const bytes = new Uint8Array(4);
    for (const [at, width] of [
      [0, 2],
      [2, 1],
      [3, 1],
    ] as const)
      readSync(ports, bytes, at, width, 4 + at);
    assert.deepEqual([...bytes], [0x12, 0x34, 0x56, 0x78]);
  });

  it("has extended capabilities, with what their handlers say and take", (t) => {
    const path = join(deviceFolder(bdf), "config");
    const config = readFileSync(path);
    const found = [...walkExtendedCapabilities(config)].map(({ id, offset }) => [id, offset]);
    assert.deepEqual(found, [
      [DVSEC.id, 0x100],
      [SCRATCH.id, SCRATCH.offset],
    ]);
    assert.deepEqual([...config.subarray(0x104, 0x104 + 10)], [...DVSEC.data.subarray(0, 9), 0x99]);
    const file = openSync(path, "r+");
    t.after(() => closeSync(file));
    writeSync(file, Uint8Array.of(1, 2, 3, 4), 0, 4, SCRATCH.offset + 4);
    assert.deepEqual(
      [...readFileSync(path).subarray(SCRATCH.offset + 4, SCRATCH.offset + 12)],
      [1, 2, 3, 4, 0, 0, 0, 0],
    );
    enable(t, bdf);
    const ports = openSync(join(deviceFolder(bdf), `resource${PORT_BAR}`), "r");
    t.after(() => closeSync(ports));
    const bytes = new Uint8Array(4);
    readSync(ports, bytes, 0, 4, 0);
    assert.deepEqual([...bytes], [1, 2, 3, 4], "the device has been told");
  });

  it("has registers that its handlers answer", (t) => {
    enable(t, bdf);
    const registers = mapResource(t, bdf, REGISTER_BAR, pageSize);
    assert.equal(registers.read32(REGISTERS.identification), IDENTIFICATION);
    assert.equal(registers.read8(REGISTERS.identification + 3), IDENTIFICATION >>> 24);
    assert.equal(registers.read16(REGISTERS.identification), IDENTIFICATION & 0xffff);
    registers.write64(REGISTERS.address, 0x1122_3344_5566_7788n);
    assert.equal(registers.read64(REGISTERS.address), 0x1122_3344_5566_7788n);
    registers.write8(REGISTERS.address, 0x99);
    registers.write16(REGISTERS.address + 6, 0xaabb);
    assert.equal(registers.read64(REGISTERS.address), 0xaabb_3344_5566_7799n);
    registers.write32(REGISTERS.scratch, 0xdead_beef);
    assert.equal(registers.read32(REGISTERS.scratch), 0xdead_beef);
  });

  it("may take its time over a write, and gets every one of a long run in order", (t) => {
    enable(t, bdf);
    const registers = mapResource(t, bdf, REGISTER_BAR, pageSize);
    const count = 2000;
    registers.write32(REGISTERS.command, COMMANDS.stall);
    for (let number = 1; number <= count; number += 1) registers.write32(REGISTERS.stream, number);
    assert.equal(registers.read32(REGISTERS.stream), count);
  });

  it("shares the bytes of its memory", (t) => {
    enable(t, bdf);
    const memory = mapResource(t, bdf, MEMORY_BAR, MEMORY_SIZE);
    // What the host wrote before the guest started, and what it looks for after the guest's end.
    const fromHost = new Uint8Array(16);
    memory.copyOut(pageSize, fromHost);
    assert.equal(Buffer.from(fromHost).toString(), "from the host...");
    memory.copyIn(2 * pageSize, Buffer.from("from the guest.."));
    memory.write32(MEMORY_SIZE - 4, 0x0102_0304);
    // The gap is the device's to answer.
    assert.equal(memory.read8(GAP.offset + 5 * pageSize), ((GAP.offset / pageSize) & 0xff) + 5);
  });

  it("reads and writes the guest's memory by physical address", (t) => {
    enable(t, bdf);
    enableMaster(bdf);
    const registers = mapResource(t, bdf, REGISTER_BAR, pageSize);
    const [source, target] = [newPages(t, 1), newPages(t, 1)];
    source.bytes.set(Buffer.from("across two worlds"));
    target.bytes.fill(1);
    const transfer = { offset: 4 * pageSize, length: pageSize };
    assert.equal(
      copy(registers, COMMANDS.fetch, { ...transfer, address: physicalAddressOf(source) }),
      STATUS.done,
    );
    assert.equal(
      copy(registers, COMMANDS.store, { ...transfer, address: physicalAddressOf(target) }),
      STATUS.done,
    );
    assert.deepEqual(target.bytes, source.bytes);
  });

  it("reads what QEMU passes no file for by asking it", (t) => {
    enable(t, bdf);
    enableMaster(bdf);
    const registers = mapResource(t, bdf, REGISTER_BAR, pageSize);
    const memory = mapResource(t, bdf, MEMORY_BAR, MEMORY_SIZE);
    // Where the processor starts: the firmware's jump to its own beginning, f000:e05b.
    const transfer = { address: 0xffff_fff0n, offset: 5 * pageSize, length: 16 };
    assert.equal(copy(registers, COMMANDS.fetch, transfer), STATUS.done);
    const entry = new Uint8Array(5);
    memory.copyOut(5 * pageSize, entry);
    assert.equal(Buffer.from(entry).toString("hex"), "ea5be000f0");
  });
});

for (const api of apis) {
  describe(`a served device, driven by hugebar by ${api}`, () => {
    before(() => bindTo(bdf));

    it("has its memory mapped with huge pages", (t) => {
      const { device } = openWithTransport(t, bdf, { api });
      const mapping = device.region(MEMORY_BAR).map();
      assert.equal(mapping.base % BigInt(mapping.alignment), 0n);
      mapping.write32(3 * pageSize, 0x0506_0708);
      assert.equal(mapping.read32(3 * pageSize), 0x0506_0708);
      t.diagnostic(JSON.stringify(mapping.layout.leaves));
    });

    it("brings interrupts to eventfds", (t) => {
      const { device, transport } = openWithTransport(t, bdf, { api });
      const registers = device.region(REGISTER_BAR).map();
      assert.equal(transport.irqInfo(VFIO_PCI_MSIX_IRQ_INDEX).count, VECTORS);
      const eventfds = Array.from({ length: VECTORS }, () => linux.eventfd(0, EFD_CLOEXEC));
      t.after(() => {
        for (const eventfd of eventfds) linux.close(eventfd);
      });
      const flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
      transport.setIrqs({ index: VFIO_PCI_MSIX_IRQ_INDEX, flags, start: 0, count: VECTORS, eventfds });
      switchMaster(transport);
      for (const [vector, eventfd] of eventfds.entries()) {
        registers.write32(REGISTERS.interrupt, vector);
        const others = eventfds.map((fd) => ({ fd, events: POLLIN, revents: 0 }));
        assert.equal(linux.poll(others, 10_000), 1);
        assert.deepEqual(
          others.filter(({ revents }) => revents !== 0).map(({ fd }) => fd),
          [eventfd],
        );
        const counter = new Uint8Array(8);
        linux.read(eventfd, counter);
        assert.equal(counter[0], 1);
      }
    });

    it("reads and writes memory that is mapped for it, and no other", (t) => {
      const { device, transport } = openWithTransport(t, bdf, { api });
      const registers = device.region(REGISTER_BAR).map();
      const pages = newPages(t, 3);
      const iova = 0x10_0000n;
      const size = 3 * pageSize;
      transport.dma.map({ address: pages.address, iova, size, readable: true, writable: true });
      switchMaster(transport);
      for (let at = 0; at < size; at += 1) pages.bytes[at] = at % 251;
      const expected = pages.bytes.slice();
      const transfer = { address: iova, offset: 16 * pageSize, length: size };
      assert.equal(copy(registers, COMMANDS.fetch, transfer), STATUS.done);
      pages.bytes.fill(0);
      assert.equal(copy(registers, COMMANDS.store, transfer), STATUS.done);
      assert.deepEqual(pages.bytes, expected);

      assert.equal(copy(registers, COMMANDS.fetch, { ...transfer, length: size + 1 }), STATUS.failed);
      transport.dma.unmap(iova, size);
      assert.equal(copy(registers, COMMANDS.fetch, transfer), STATUS.failed);
      transport.dma.map({ address: pages.address, iova, size, readable: true, writable: false });
      assert.equal(copy(registers, COMMANDS.store, transfer), STATUS.failed);
      assert.equal(copy(registers, COMMANDS.fetch, transfer), STATUS.done);
    });

    it("is reset", (t) => {
      const { device } = openWithTransport(t, bdf, { api });
      const registers = device.region(REGISTER_BAR).map();
      registers.write32(REGISTERS.scratch, 1);
      const resets = registers.read32(REGISTERS.resets);
      device.reset();
      assert.equal(registers.read32(REGISTERS.scratch), 0);
      assert.ok(registers.read32(REGISTERS.resets) > resets);
    });

    it("is let go of, and taken again", (t) => {
      unbind(bdf);
      bindTo(bdf);
      const { device } = openWithTransport(t, bdf, { api });
      assert.equal(device.region(REGISTER_BAR).map().read32(REGISTERS.identification), IDENTIFICATION);
    });
  });
}

describe("a served device that dies", () => {
  it("leaves the guest running", (t) => {
    const doomed = "0000:00:19.0";
    enable(t, doomed);
    const registers = mapResource(t, doomed, REGISTER_BAR, pageSize);
    const memory = mapResource(t, doomed, MEMORY_BAR, MEMORY_SIZE);
    memory.write32(0, 0x1234_5678);
    assert.equal(registers.read32(REGISTERS.identification), IDENTIFICATION);
    registers.write32(REGISTERS.command, COMMANDS.die);
    // As of a device that was pulled out.
    assert.equal(registers.read32(REGISTERS.identification), 0xffff_ffff);
    // What QEMU has mapped is still there.
    assert.equal(memory.read32(0), 0x1234_5678);
  });
});

/** Allows a device without a driver to reach memory. */
function enableMaster(device: string): void {
  const path = join(deviceFolder(device), "config");
  const command = readFileSync(path).readUInt16LE(PCI_COMMAND);
  const file = openSync(path, "r+");
  writeSync(file, Uint8Array.of((command | PCI_COMMAND_MASTER) & 0xff), 0, 1, PCI_COMMAND);
  closeSync(file);
}

function switchMaster(transport: Transport): void {
  const command = new Uint8Array(2);
  transport.read(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, command);
  command[0] = (command[0] ?? 0) | PCI_COMMAND_MASTER;
  transport.write(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, command);
}
