/**
 * The program of `examples/nvme-controller.ts` in a process of its own, with "hugebar" being the sources here: `node
 * nvme-process.ts DISK SOCKET`. At SIGTERM it says by how many messages it has reached its clients' memory.
 */

import { registerHooks } from "node:module";
import { listenToMessages } from "../../src/vfio-user/wire/message-events.ts";
import { VFIO_USER_DMA_READ, VFIO_USER_DMA_WRITE } from "../../src/vfio-user/wire/protocol.ts";

registerHooks({
  resolve: (specifier, context, next) =>
    next(specifier === "hugebar" ? new URL("../../src/index.ts", import.meta.url).href : specifier, context),
});
const { serve } = await import("../../examples/nvme-controller.ts");

const [, , data, socket = ""] = process.argv;
let messages = 0;
listenToMessages(({ direction, command }) => {
  if (direction === "sent" && (command === VFIO_USER_DMA_READ || command === VFIO_USER_DMA_WRITE))
    messages += 1;
});
const server = await serve({ data, socket });
process.once("SIGTERM", () => {
  process.stdout.write(`${messages}\n`);
  void server.close();
});
process.stdout.write("listening\n");
