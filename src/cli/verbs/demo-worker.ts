/** What the demo's device is, for the worker that serves it. */

import { serveDevice, type DeviceServer } from "../../vfio-user/server/server.ts";
import type { WorkerServeOptions } from "../../vfio-user/server/apart/messages.ts";
import { DEMO_REGION } from "./demo-region.ts";

export function serve({ socket }: WorkerServeOptions): DeviceServer {
  return serveDevice({ regions: [{ ...DEMO_REGION, memory: "sparse" }] }, { socket });
}
