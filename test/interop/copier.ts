/** The copier: a PCI device with registers, memory, MSI-X interrupts and a DMA engine, served over vfio-user. */

import { setTimeout as sleep } from "node:timers/promises";

import type { SharedMemory } from "../../src/memory/shared-memory.ts";
import type { DeviceClient } from "../../src/vfio-user/server/parts/device-client.ts";
import { type DeviceServer, serveDevice } from "../../src/vfio-user/server/server.ts";
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
} from "./copier-registers.ts";

const stallMilliseconds = 500;
const pageSize = 4096;

/** Serves a copier whose BAR 2 is `memory`, which has MEMORY_SIZE bytes. */
export function serveCopier(socket: string, memory: SharedMemory): DeviceServer {
  const registers = new DataView(new ArrayBuffer(pageSize));
  const get = (register: number): number => registers.getUint32(register, true);
  const set = (register: number, value: number): void => registers.setUint32(register, value, true);

  const ports = new Uint8Array(PORTS);

  const reset = (): void => {
    const resets = get(REGISTERS.resets);
    new Uint8Array(registers.buffer).fill(0);
    set(REGISTERS.identification, IDENTIFICATION);
    set(REGISTERS.resets, resets + 1);
  };
  reset();
  set(REGISTERS.resets, 0);

  const copy = async (command: number, { dma }: DeviceClient): Promise<void> => {
    const address = registers.getBigUint64(REGISTERS.address, true);
    const bytes = memory.bytes(get(REGISTERS.offset), get(REGISTERS.length));
    if (command === COMMANDS.fetch) await dma.read(address, bytes);
    else await dma.write(address, bytes);
  };

  const begin = (command: number, client: DeviceClient): Promise<void> | void => {
    if (command === COMMANDS.stall) return sleep(stallMilliseconds);
    if (command === COMMANDS.die) process.kill(process.pid, "SIGKILL");
    set(REGISTERS.status, STATUS.busy);
    // Not waited for here: the client may have to answer questions about its memory first, and goes on asking for the
    // status meanwhile.
    copy(command, client).then(
      () => set(REGISTERS.status, STATUS.done),
      () => set(REGISTERS.status, STATUS.failed),
    );
  };

  return serveDevice(
    {
      pci: {
        vendor: 0x1b36,
        device: 0x0c0b,
        class: 0x0b_4000,
        revision: 3,
        capabilities: [
          { type: "pcie", offset: 0x80 },
          {
            type: "msix",
            vectors: VECTORS,
            table: { bar: MSIX_BAR, offset: 0 },
            pba: { bar: MSIX_BAR, offset: 0x800 },
          },
        ],
        extendedCapabilities: [
          {
            ...DVSEC,
            data: DVSEC.data.slice(),
            onRead: (offset, target) => void (target[9 - offset] = 0x99),
          },
          {
            ...SCRATCH,
            data: new Uint8Array(8),
            writable: new Uint8Array(8).fill(0xff),
            onWrite: (offset, source) => ports.set(source, offset),
          },
        ],
      },
      regions: [
        {
          index: REGISTER_BAR,
          size: pageSize,
          read: (offset, target) => target.set(new Uint8Array(registers.buffer, offset, target.length)),
          write(offset, source, client) {
            const value = littleEndian(source);
            if (offset === REGISTERS.command) return begin(value, client);
            if (offset === REGISTERS.interrupt) return client.irq("msix", value).trigger();
            if (offset === REGISTERS.stream) {
              const taken = get(REGISTERS.stream);
              return set(REGISTERS.stream, value === taken + 1 ? value : taken);
            }
            if (offset >= REGISTERS.scratch && offset < REGISTERS.command) {
              new Uint8Array(registers.buffer).set(source, offset);
            }
          },
        },
        {
          index: MEMORY_BAR,
          memory,
          areas: [
            { offset: 0, size: GAP.offset },
            { offset: GAP.offset + GAP.size, size: MEMORY_SIZE - GAP.offset - GAP.size },
          ],
          read(offset, target) {
            for (let at = 0; at < target.length; at += 1) target[at] = Math.floor((offset + at) / pageSize);
          },
          write() {},
        },
        { index: MSIX_BAR, size: pageSize, bar: { type: "memory", width: 32 } },
        {
          index: PORT_BAR,
          size: ports.length,
          bar: { type: "io" },
          read: (offset, target) => target.set(ports.subarray(offset, offset + target.length)),
          write: (offset, source) => ports.set(source, offset),
        },
      ],
      reset,
    },
    { socket },
  );
}

function littleEndian(bytes: Uint8Array): number {
  return bytes.reduceRight((value, byte) => value * 0x100 + byte, 0);
}
