/** For tests: a device that can be made to hang, to throw outside of all handlers, and to end its thread or process. */

import { openSync } from "node:fs";
import { constants } from "node:os";
import { parentPort } from "node:worker_threads";
import { DeviceError } from "../wire/device-error.ts";
import type { WorkerServeOptions } from "./apart/messages.ts";
import { serveDevice, type DeviceServer } from "./server.ts";

export const LOOP = 0;
export const WAIT = 4;
export const THROW = 8;
export const EXIT = 12;
export const PID = 16;
export const CHATTER = 20;
export const BLOCK = 24;

export function serve({ socket, data }: WorkerServeOptions): DeviceServer {
  return serveDevice(
    {
      regions: [
        {
          index: 0,
          size: 0x1000,
          read(_, target) {
            new DataView(target.buffer, target.byteOffset).setUint32(0, process.pid, true);
          },
          write(offset) {
            if (offset === LOOP) for (;;);
            if (offset === WAIT) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
            if (offset === EXIT) process.exit(7);
            // Opening a FIFO waits in the kernel until somebody writes to it.
            if (offset === BLOCK) openSync(String(data), "r");
            if (offset === CHATTER) {
              for (const message of [
                null,
                "pong",
                { type: "listening" },
                { type: "other" },
                { type: "failed" },
              ]) {
                if (parentPort === null) process.send?.(message ?? "nothing");
                else parentPort.postMessage(message);
              }
              return;
            }
            if (offset !== THROW) throw new DeviceError(constants.errno.EINVAL);
            setImmediate(() => {
              throw new RangeError("a mistake outside of all handlers");
            });
          },
        },
      ],
    },
    { socket },
  );
}
