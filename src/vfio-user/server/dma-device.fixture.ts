/** For tests: a PCI device with a DMA engine and MSI-X, MSI and INTx interrupts. */

import { setTimeout as sleep } from "node:timers/promises";
import type { WorkerServeOptions } from "./serve-in-worker.ts";
import { serveDevice, type DeviceServer } from "./server.ts";

/** BAR 0: where the engine's orders are written, all at once. */
export const ORDER_SIZE = 24;
/** BAR 0, behind the order: the buffer that the engine copies from and to. */
export const BUFFER = 0x100;
export const BAR_SIZE = 0x4000;
export const MSIX_TABLE = 0x2000;
export const MSIX_PBA = 0x3000;

/** Orders: what to do (u32), which MSI-X vector to raise then (u32), the client's address (u64), the length (u64). */
export const FETCH = 1;
export const STORE = 2;
/** Adds 1 to every byte, in the client's own memory. */
export const INCREMENT = 3;
/** As STORE, but only after the write has been answered. */
export const STORE_LATER = 4;
export const RAISE = 5;
export const RAISE_INTX = 6;
export const NOTHING = 7;

export function encodeOrder(order: number, vector: number, iova: bigint, length: number): Uint8Array {
  const bytes = new Uint8Array(ORDER_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, order, true);
  view.setUint32(4, vector, true);
  view.setBigUint64(8, iova, true);
  view.setBigUint64(16, BigInt(length), true);
  return bytes;
}

export function serve({ socket }: WorkerServeOptions): DeviceServer {
  const memory = new Uint8Array(BAR_SIZE);

  async function carryOut(order: Uint8Array): Promise<void> {
    const view = new DataView(order.buffer, order.byteOffset, ORDER_SIZE);
    const vector = view.getUint32(4, true);
    const iova = view.getBigUint64(8, true);
    const bytes = memory.subarray(BUFFER, BUFFER + Number(view.getBigUint64(16, true)));
    switch (view.getUint32(0, true)) {
      case FETCH:
        await server.dma.read(iova, bytes);
        break;
      case STORE:
        await server.dma.write(iova, bytes);
        break;
      case INCREMENT: {
        const seen = server.dma.view(iova, bytes.length);
        for (let at = 0; at < seen.length; at += 1) seen[at] = (seen[at] ?? 0) + 1;
        break;
      }
      case RAISE_INTX:
        server.irq("intx").trigger();
        return;
      case NOTHING:
        return;
    }
    server.irq("msix", vector).trigger();
  }

  const server = serveDevice(
    {
      pci: {
        vendor: 0x1234,
        device: 0x5678,
        subsystemVendor: 0xaaaa,
        subsystem: 0xbbbb,
        class: 0x088000,
        revision: 3,
        intx: true,
        capabilities: [
          { type: "pm" },
          { type: "pcie" },
          { type: "msi", vectors: 4 },
          {
            type: "msix",
            vectors: 8,
            table: { bar: 0, offset: MSIX_TABLE },
            pba: { bar: 0, offset: MSIX_PBA },
          },
          { type: "vendor", data: Uint8Array.of(1, 2, 3, 4, 5) },
        ],
      },
      regions: [
        {
          index: 0,
          size: BAR_SIZE,
          read: (offset, target) => target.set(memory.subarray(offset, offset + target.length)),
          async write(offset, source) {
            memory.set(source, offset);
            if (offset !== 0) return;
            const order = source.slice();
            if (order[0] === STORE_LATER) {
              order[0] = STORE;
              void sleep(5).then(() => carryOut(order));
            } else await carryOut(order);
          },
        },
        { index: 2, size: 2 ** 30, memory: "sparse" },
      ],
      reset: () => void memory.fill(0),
    },
    { socket, onError: () => {} },
  );
  return server;
}
