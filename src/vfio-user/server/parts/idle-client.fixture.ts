/** For tests: a client for handlers that do nothing with it. */

import { ClientMemory } from "../dma/client-memory.ts";
import { Dma } from "../dma/dma.ts";
import { SessionClient } from "../session-client.ts";
import type { DeviceClient } from "./device-client.ts";
import { ServedInterrupts } from "./served-interrupts.ts";

export function idleClient(): DeviceClient {
  const memory = new ClientMemory(() => {});
  const dma = new Dma(memory, () => Promise.reject(new Error("nobody answers")));
  return new SessionClient(
    dma,
    new ServedInterrupts(new Map()),
    () => true,
    () => {},
  );
}
