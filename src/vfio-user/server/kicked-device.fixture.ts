/** For tests: a device that counts how often it is kicked. */

import type { WorkerServeOptions } from "./apart/messages.ts";
import { serveDevice, type DeviceServer } from "./server.ts";

/** Region 0: counters, 4 bytes each, of the kicks by each ioeventfd below; anything else is kept as written. */
export const SIZE = 0x1000;
export const KICKS = [
  { offset: 0x100, size: 4 },
  { offset: 0x108, size: 2, datamatch: 0xbeefn },
  { offset: 0x110, size: 0 },
] as const;
/** Region 2: nothing but as many ioeventfds as there may be, that fail. */
export const MANY = 2;

export function serve({ socket }: WorkerServeOptions): DeviceServer {
  const registers = new DataView(new ArrayBuffer(SIZE));
  const count = (counter: number, times: number): void =>
    registers.setUint32(4 * counter, registers.getUint32(4 * counter, true) + times, true);
  return serveDevice(
    {
      regions: [
        {
          index: 0,
          size: SIZE,
          read: (offset, target) => target.set(new Uint8Array(registers.buffer, offset, target.length)),
          write: (offset, source) => new Uint8Array(registers.buffer).set(source, offset),
          ioeventfds: [
            { ...KICKS[0], onKick: (times) => count(0, times) },
            { ...KICKS[1], onKick: (times) => count(1, times) },
            { ...KICKS[2], onKick: (times) => count(2, times) },
          ],
        },
        {
          index: MANY,
          size: SIZE,
          ioeventfds: Array.from({ length: 16 }, (_, number) => ({
            offset: 8 * number,
            size: 8,
            onKick: () => {
              throw new RangeError("kicked");
            },
          })),
        },
      ],
    },
    { socket, onError: (error) => count(8, error instanceof RangeError ? 1 : 1000) },
  );
}
