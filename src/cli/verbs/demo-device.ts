/** The embedded device of `hugebar demo`, and what is left of it afterwards: nothing. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Device } from "../../device/device.ts";
import { openDevice } from "../../open.ts";
import { ownModule } from "../../system/own-modules.ts";
import { serveInWorker } from "../../vfio-user/server/serve-in-worker.ts";

/** Hands the device to `use`. A worker serves it: clients are synchronous and would wait for themselves. */
export async function withDemoDevice<Result>(use: (device: Device) => Result): Promise<Result> {
  const module = ownModule(import.meta.url, "demo-worker");
  const folder = mkdtempSync(join(tmpdir(), "hugebar-demo-"));
  try {
    const server = await serveInWorker(module, { socket: join(folder, "device.sock") });
    try {
      const device = openDevice(`vfio-user:${server.path}`);
      // The connection stands: from here on nothing of the demo is in the file system, however it ends.
      rmSync(folder, { recursive: true });
      try {
        return use(device);
      } finally {
        device.close();
      }
    } finally {
      await server.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
