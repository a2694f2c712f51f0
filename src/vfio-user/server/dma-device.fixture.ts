/** For tests: a PCI device with a DMA engine and MSI-X, MSI and INTx interrupts. */

import { setTimeout as sleep } from "node:timers/promises";
import type { DmaLease } from "./dma/dma-lease.ts";
import type { DeviceClient } from "./parts/device-client.ts";
import type { WorkerServeOptions } from "./apart/messages.ts";
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
/** Lends itself the memory, and gives it back. */
export const HOLD = 8;
export const LET_GO = 9;

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
  const held: DmaLease[] = [];

  async function carryOut(order: Uint8Array, client: DeviceClient): Promise<void> {
    const view = new DataView(order.buffer, order.byteOffset, ORDER_SIZE);
    const vector = view.getUint32(4, true);
    const iova = view.getBigUint64(8, true);
    const bytes = memory.subarray(BUFFER, BUFFER + Number(view.getBigUint64(16, true)));
    switch (view.getUint32(0, true)) {
      case FETCH:
        await client.dma.read(iova, bytes);
        break;
      case STORE:
        await client.dma.write(iova, bytes);
        break;
      case INCREMENT: {
        const lease = client.dma.view(iova, bytes.length);
        add(lease.bytes);
        lease.release();
        break;
      }
      case HOLD:
        held.push(client.dma.view(iova, bytes.length));
        break;
      case LET_GO:
        for (const lease of held.splice(0)) lease.release();
        break;
      case RAISE_INTX:
        client.irq("intx").trigger();
        return;
      case NOTHING:
        return;
    }
    client.irq("msix", vector).trigger();
  }

  return serveDevice(
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
          async write(offset, source, client) {
            memory.set(source, offset);
            if (offset !== 0) return;
            const order = source.slice();
            if (order[0] === STORE_LATER) {
              order[0] = STORE;
              client.run(() => sleep(5).then(() => carryOut(order, client)));
            } else await carryOut(order, client);
          },
        },
        { index: 2, size: 2 ** 30, memory: "sparse" },
      ],
      reset: () => void memory.fill(0),
    },
    { socket, onError: () => {} },
  );
}

function add(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = (bytes[at] ?? 0) + 1;
}
