/**
 * A PCI device in 60 lines: registers, a DMA engine that copies between the client's memory and its own, and an
 * interrupt when it is done. docs/write-a-device.md goes through it line by line.
 */

import {
  defineRegisters,
  serveDevice,
  type DeviceClient,
  type DeviceServer,
  type WorkerServeOptions,
} from "hugebar";

/** Registers in BAR 0: where in the client's memory, how many bytes, what to do. */
export const REGISTERS = {
  address: { offset: 0x00, width: 8 },
  length: { offset: 0x08, width: 8 },
  command: { offset: 0x10, width: 8 },
  /** How the last command ended: 0 done, 1 failed. */
  status: { offset: 0x18, width: 8, writable: 0n },
} as const;

export const FETCH = 1n; // from the client's memory into the device's
export const STORE = 2n; // and back

export function serve({ socket }: WorkerServeOptions): DeviceServer {
  const registers = defineRegisters(REGISTERS);
  const memory = new Uint8Array(1 << 20);

  async function copy(command: bigint, client: DeviceClient): Promise<void> {
    const address = registers.get("address");
    const bytes = memory.subarray(0, Number(registers.get("length")));
    try {
      if (command === FETCH) await client.dma.read(address, bytes);
      else await client.dma.write(address, bytes);
      registers.set("status", 0n);
    } catch {
      registers.set("status", 1n); // the client has not mapped that memory
    }
    client.irq("msix", 0).trigger();
  }
  registers.onWrite("command", (command, { client }) => client.run(() => copy(command, client)));

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
        { index: 0, size: 0x1000, registers },
        { index: 1, size: 0x1000 }, // the MSI-X table and its pending bits live here
      ],
    },
    { socket },
  );
}
