/**
 * A device that completes later, in a process of its own: `node serve-later.ts SOCKET`. A write to its register orders a
 * read of a file, which the handler awaits after it has answered; then it raises its interrupt.
 */

import { open } from "node:fs/promises";
import { serveDevice } from "../src/index.ts";

const [, , socket = ""] = process.argv;
const file = await open(process.execPath, "r");
const bytes = new Uint8Array(4096);
const registers = new Uint8Array(4096);

serveDevice(
  {
    pci: {
      vendor: 0x1b36,
      device: 0x0005,
      capabilities: [
        { type: "msix", vectors: 1, table: { bar: 1, offset: 0 }, pba: { bar: 1, offset: 2048 } },
      ],
    },
    regions: [
      {
        index: 0,
        size: registers.length,
        read: (offset, target) => target.set(registers.subarray(offset, offset + target.length)),
        write: (_offset, _source, client) =>
          client.run(async () => {
            await file.read(bytes, 0, bytes.length, 0);
            client.irq("msix").trigger();
          }),
      },
      { index: 1, size: 4096 },
    ],
  },
  { socket },
);
process.stdout.write("listening\n");
