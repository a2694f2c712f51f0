/**
 * A PCI device in 60 lines: registers, a DMA engine that copies between the client's memory and its own, and an
 * interrupt when it is done. docs/write-a-device.md goes through it line by line.
 */

import { serveDevice, type DeviceClient, type DeviceServer, type WorkerServeOptions } from "hugebar";

/** Registers in BAR 0, each 8 bytes wide: where in the client's memory, how many bytes, what to do. */
export const ADDRESS = 0x00;
export const LENGTH = 0x08;
export const COMMAND = 0x10;
/** How the last command ended: 0 done, 1 failed. */
export const STATUS = 0x18;

export const FETCH = 1n; // from the client's memory into the device's
export const STORE = 2n; // and back

export function serve({ socket }: WorkerServeOptions): DeviceServer {
  const registers = new DataView(new ArrayBuffer(0x1000));
  const memory = new Uint8Array(1 << 20);

  async function copy(command: bigint, client: DeviceClient): Promise<void> {
    const address = registers.getBigUint64(ADDRESS, true);
    const bytes = memory.subarray(0, Number(registers.getBigUint64(LENGTH, true)));
    try {
      if (command === FETCH) await client.dma.read(address, bytes);
      else await client.dma.write(address, bytes);
      registers.setBigUint64(STATUS, 0n, true);
    } catch {
      registers.setBigUint64(STATUS, 1n, true); // the client has not mapped that memory
    }
    client.irq("msix", 0).trigger();
  }

  return serveDevice(
    {
      pci: {
        vendor: 0x1b36,
        device: 0x0c0e,
        class: 0x088000,
        capabilities: [
          { type: "pcie" },
          { type: "msix", vectors: 1, table: { bar: 1, offset: 0 }, pba: { bar: 1, offset: 0x800 } },
        ],
      },
      regions: [
        {
          index: 0,
          size: registers.byteLength,
          read: (offset, target) => target.set(new Uint8Array(registers.buffer, offset, target.length)),
          write(offset, source, client) {
            new Uint8Array(registers.buffer).set(source, offset);
            if (offset === COMMAND) client.run(() => copy(registers.getBigUint64(COMMAND, true), client));
          },
        },
        { index: 1, size: 0x1000 }, // the MSI-X table and its pending bits live here
      ],
      reset: () => void new Uint8Array(registers.buffer).fill(0),
    },
    { socket },
  );
}
