/** `serve-registers SOCKET`: the peer `vfio-user-server`, written with hugebar. */

import { serveDevice } from "../src/vfio-user/server.ts";

const [socket] = process.argv.slice(2);
if (socket === undefined) throw new Error("usage: serve-registers SOCKET");

const registers = new Uint8Array(1 << 20);
const server = serveDevice(
  {
    regions: [
      {
        index: 0,
        size: registers.length,
        read: (offset, target) => target.set(registers.subarray(offset, offset + target.length)),
        write: (offset, source) => registers.set(source, offset),
      },
    ],
  },
  { socket },
);
process.stdout.write("ready\n");
process.stdin.resume().once("end", () => void server.close());
