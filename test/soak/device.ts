/** The device of the soak test, in a process of its own: `node device.ts SOCKET`. */

import { serveDevice } from "../../src/index.ts";
import { AT, MEMORY, ORDER, REGISTERS, TRANSFER, USAGE, USAGE_SIZE } from "./regions.ts";
import { usage } from "./usage.ts";

const [, , socket = ""] = process.argv;
const registers = new Uint8Array(0x1000);
const bytes = new Uint8Array(TRANSFER);
serveDevice(
  {
    pci: { vendor: 0x1b36, device: 0x0005, intx: true },
    regions: [
      {
        index: REGISTERS,
        size: registers.length,
        read(offset, target) {
          if (offset === USAGE) target.set(Buffer.from(JSON.stringify(usage()).padEnd(USAGE_SIZE)));
          else target.set(registers.subarray(offset, offset + target.length));
        },
        async write(offset, source, client) {
          registers.set(source, offset);
          if (offset !== ORDER) return;
          await client.dma.read(AT, bytes);
          for (const [index, byte] of bytes.entries()) bytes[index] = byte + 1;
          await client.dma.write(AT, bytes);
        },
      },
      {
        index: MEMORY,
        size: 2 ** 30,
        memory: "sparse",
        areas: [
          { offset: 0, size: 2 ** 24 },
          { offset: 2 ** 29, size: 2 ** 24 },
        ],
      },
    ],
  },
  { socket },
);
process.stdout.write("listening\n");
