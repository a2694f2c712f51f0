/** In the thread or process of a device: loads its module, calls its `serve`, and closes what that returns. */

import * as v from "valibot";
import { hugebarError } from "../../../errors.ts";
import { loadModule } from "../../../system/own-modules.ts";
import { failure, type DeviceMessage, type HostMessage, type ModuleToServe } from "./messages.ts";

/** What `serve` must return, or resolve to: a `DeviceServer`, or whatever else can be closed. */
interface Closable {
  close(): void | Promise<void>;
}

export interface Host {
  post(message: DeviceMessage): void;
  attend(listener: (message: HostMessage) => void): void;
  /** Ends this thread or process, whatever `serve` has left running, when what was posted is out. */
  leave(): void;
}

export const MODULE_TO_SERVE = v.object({ module: v.string(), socket: v.string(), data: v.unknown() });
const moduleSchema = v.object({ serve: v.function() });

export async function serveModule({ module, socket, data }: ModuleToServe, host: Host): Promise<void> {
  try {
    const server = await start(module, { socket, data });
    let closing = false;
    host.attend((message) => {
      if (message === "ping") host.post({ type: "pong" });
      else if (!closing) {
        closing = true;
        void end(server, host);
      }
    });
    host.post({ type: "listening" });
  } catch (error) {
    host.post(failure(error));
    host.leave();
  }
}

async function start(module: string, options: object): Promise<Closable> {
  const loaded: unknown = await loadModule(module);
  if (!v.is(moduleSchema, loaded)) {
    throw hugebarError("ERR_ARGUMENT", { what: module, problem: "it exports no function `serve`" });
  }
  const server: unknown = await loaded.serve(options);
  if (!isClosable(server)) {
    throw hugebarError("ERR_ARGUMENT", {
      what: module,
      problem: "its `serve` returns nothing that can be closed",
    });
  }
  return server;
}

function isClosable(value: unknown): value is Closable {
  return typeof value === "object" && value !== null && "close" in value && typeof value.close === "function";
}

async function end(server: Closable, host: Host): Promise<void> {
  try {
    await server.close();
    host.post({ type: "closed" });
  } catch (error) {
    host.post(failure(error));
  }
  host.leave();
}
