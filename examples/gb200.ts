/** A device of the shape of a GB200's memory, without the hardware: hugebar serves it over a vfio-user socket. */

import { serveDevice, type DeviceServer, type WorkerServeOptions } from "hugebar";

const GIB = 2 ** 30;

export function serve({ socket }: WorkerServeOptions): DeviceServer {
  const registers = new Uint8Array(0x1000);
  return serveDevice(
    {
      regions: [
        {
          index: 0,
          size: registers.length,
          read: (offset, target) => target.set(registers.subarray(offset, offset + target.length)),
          write: (offset, source) => registers.set(source, offset),
        },
        // 256 GiB, of which a client may map 188 GiB and 15 MiB; sparse memory, so it costs nothing.
        { index: 2, size: 256 * GIB, memory: "sparse", areas: [{ offset: 0, size: 0x2f_00f0_0000 }] },
      ],
      reset: () => void registers.fill(0),
    },
    { socket },
  );
}
