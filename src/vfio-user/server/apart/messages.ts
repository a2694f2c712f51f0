/** What a device in a thread or a process of its own and its host say to each other. */

import * as v from "valibot";
import { ERROR_TABLE, HugebarError, type ErrorCode } from "../../../errors.ts";

/** What the module's `serve` is called with. */
export interface WorkerServeOptions {
  /** Where to listen. */
  readonly socket: string;
  /** What `serveInWorker` or `serveInProcess` was given, as the structured clone algorithm copies it. */
  readonly data: unknown;
}

/** What is to be served. */
export interface ModuleToServe extends WorkerServeOptions {
  /** The module's address. */
  readonly module: string;
}

/** What a host says: close, or show that your event loop has its turns. */
export type HostMessage = "close" | "ping";

/** What a device says. */
export type DeviceMessage =
  | { readonly type: "listening" | "closed" | "pong" }
  | { readonly type: "failed"; readonly error: unknown; readonly code: unknown };

/** Not what the author's module posts to whoever started its thread or process. */
export function isDeviceMessage(message: unknown): message is DeviceMessage {
  return v.is(deviceMessageSchema, message);
}

const deviceMessageSchema = v.variant("type", [
  v.object({ type: v.picklist(["listening", "closed", "pong"]) }),
  v.object({ type: v.literal("failed"), error: v.unknown(), code: v.unknown() }),
]);

export function failure(error: unknown): DeviceMessage {
  return { type: "failed", error, code: error instanceof HugebarError ? error.code : null };
}

/** What is cloned keeps an error's message, stack and cause, but neither its class nor its code. */
export function revive(error: unknown, code: unknown): unknown {
  if (!(error instanceof Error) || !isErrorCode(code)) return error;
  return new HugebarError(code, error.message, { cause: error });
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === "string" && code in ERROR_TABLE;
}
