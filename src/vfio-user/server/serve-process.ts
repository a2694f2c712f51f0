/** The process of `serve-in-process.ts`. */

import * as v from "valibot";
import type { DeviceMessage, HostMessage } from "./apart/messages.ts";
import { MODULE_TO_SERVE, serveModule } from "./apart/serve-module.ts";

let listener: ((message: HostMessage) => void) | null = null;
let sent: Promise<void> = Promise.resolve();

/** Before there is anything to close, it is over at once. */
function close(): void {
  if (listener === null) process.exit();
  listener("close");
}
process.on("disconnect", close);
process.on("SIGTERM", close);
// A terminal's go to the host, too, which knows what is to become of its devices.
process.on("SIGINT", () => {});

function post(message: DeviceMessage): void {
  const { promise, resolve } = Promise.withResolvers<void>();
  sent = promise;
  // Without its host nobody is to be told.
  process.send?.(message, undefined, undefined, () => resolve());
}

async function leave(): Promise<void> {
  if (process.connected) await sent;
  process.exit();
}

process.once("message", (toServe: unknown) => {
  process.on("message", (message: HostMessage) => listener?.(message));
  void serveModule(v.parse(MODULE_TO_SERVE, toServe), {
    post,
    attend(told) {
      listener = told;
    },
    leave: () => void leave(),
  });
});
