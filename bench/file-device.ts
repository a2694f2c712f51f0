/** The device that in-process rows use: regions of sparse memory, whose gaps are read with pread(2). */

import { Device } from "../src/device/device.ts";
import { memfdTransport } from "../src/device/memfd-transport.fixture.ts";
import type { Transport } from "../src/device/transport/transport.ts";
import type { Area } from "../src/layout/areas.ts";
import { linux } from "../src/system/libc.ts";
import type { System } from "../src/system/system.ts";

/** A device whose region 0 has this shape. */
export function fileDevice(size: number, areas: readonly Area[], system: System = linux): Device {
  const memory = memfdTransport([{ size, areas }]);
  const { fd } = memory.regionInfo(0);
  if (fd === null) throw new Error("a region of memory has a descriptor");
  // As the kernel transports do; the fixture would also write down each request.
  const transport: Transport = {
    ...memory,
    prepareToMap: () => null,
    read: (_, offset, target) => void linux.pread(fd, target, offset),
    write: (_, offset, source) => void linux.pwrite(fd, source, offset),
  };
  return new Device(transport, system);
}
