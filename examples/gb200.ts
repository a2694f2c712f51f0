/** A device of the shape of a GB200's memory, without the hardware: hugebar serves it over a vfio-user socket. */

import { defineRegisters, serveDevice, type DeviceServer, type WorkerServeOptions } from "hugebar";

const GIB = 2 ** 30;

export function serve({ socket }: WorkerServeOptions): DeviceServer {
  return serveDevice(
    {
      regions: [
        // Registers that keep what is written.
        { index: 0, registers: defineRegisters({ scratch: { offset: 0, width: 4, count: 1024 } }) },
        // 256 GiB, of which a client may map 188 GiB and 15 MiB; sparse memory, so it costs nothing.
        { index: 2, size: 256 * GIB, memory: "sparse", areas: [{ offset: 0, size: 0x2f_00f0_0000 }] },
      ],
    },
    { socket },
  );
}
