/** `serve-registers SOCKET…`: the peer `vfio-user-server`, written with hugebar, with a device behind each socket. */

import { serveDevice } from "../src/vfio-user/server/server.ts";

const sockets = process.argv.slice(2);
if (sockets.length === 0) throw new Error("usage: serve-registers SOCKET…");

const servers = sockets.map((socket) => {
  const registers = new Uint8Array(1 << 20);
  return serveDevice(
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
});
process.stdout.write("ready\n");
process.stdin.resume().once("end", () => {
  for (const server of servers) void server.close();
});
