/** `serve-orders SOCKET FILE`: what `vfio-user-server SOCKET FILE` serves, written with hugebar. */

import { open } from "node:fs/promises";
import type { DeviceClient } from "../src/vfio-user/server/parts/device-client.ts";
import { serveDevice } from "../src/vfio-user/server/server.ts";

const [socket, path] = process.argv.slice(2);
if (socket === undefined || path === undefined) throw new Error("usage: serve-orders SOCKET FILE");

const file = await open(path);
const block = new Uint8Array(4096);
const registers = new Uint8Array(1 << 20);
const ORDER_REGISTER = registers.length - 4;

/** The order is answered meanwhile. */
async function complete(client: DeviceClient): Promise<void> {
  await file.read(block, 0, block.length, 0);
  client.irq("msi", 0).trigger();
}

const server = serveDevice(
  {
    pci: { vendor: 0x1b36, device: 0x0005, capabilities: [{ type: "msi", vectors: 1 }] },
    regions: [
      {
        index: 0,
        size: registers.length,
        read: (offset, target) => target.set(registers.subarray(offset, offset + target.length)),
        write(offset, source, client) {
          registers.set(source, offset);
          if (offset === ORDER_REGISTER) void complete(client);
        },
      },
    ],
  },
  { socket },
);
process.stdout.write("ready\n");
process.stdin.resume().once("end", () => {
  void server.close();
  void file.close();
});
