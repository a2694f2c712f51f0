/** For tests: a device with a region of every kind, to be served in a worker. */

import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { DeviceError } from "../wire/device-error.ts";
import type { WorkerServeOptions } from "./apart/messages.ts";
import { serveDevice, type DeviceServer } from "./server.ts";

export const REGISTERS = 0;
export const SLOW_REGISTERS = 1;
export const MEMORY = 2;
export const FAILING = 3;
export const READ_ONLY = 4;
export const MEMORY_SIZE = 256 * 2 ** 30;
export const AREAS = [
  { offset: 0x20_0000, size: 0x1000 },
  { offset: 0, size: 0x10_0000 },
];

export function serve({ socket, data }: WorkerServeOptions): DeviceServer {
  if (data === "throw") throw new RangeError("this device cannot be built");
  const registers = new Uint8Array(0x1000);
  const slow = new Uint8Array(0x1000);
  const copyOut = (from: Uint8Array, offset: number, target: Uint8Array): void =>
    target.set(from.subarray(offset, offset + target.length));
  return serveDevice(
    {
      regions: [
        {
          index: REGISTERS,
          size: 0x1000,
          read: (offset, target) => copyOut(registers, offset, target),
          write: (offset, source) => registers.set(source, offset),
        },
        {
          index: SLOW_REGISTERS,
          size: 0x1000,
          async read(offset, target) {
            await sleep(5);
            copyOut(slow, offset, target);
          },
          async write(offset, source) {
            await sleep(5);
            slow.set(source, offset);
          },
        },
        { index: MEMORY, size: MEMORY_SIZE, memory: "sparse", areas: AREAS },
        {
          index: FAILING,
          size: 0x1000,
          read(offset) {
            if (offset === 0) throw new DeviceError(constants.errno.EBUSY);
            throw new TypeError("a mistake in the device");
          },
          async write() {
            await sleep(1);
            throw new DeviceError(constants.errno.ENOSPC);
          },
        },
        { index: READ_ONLY, size: 0x1000, read: (_, target) => void target.fill(0xee) },
      ],
      async reset() {
        await sleep(1);
        registers.fill(0);
      },
    },
    { socket, onError: () => {} },
  );
}
