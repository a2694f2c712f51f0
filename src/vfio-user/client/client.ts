/** Connecting to a vfio-user server: the socket, and the agreement on a version. */

import { requireWhole } from "../../arguments.ts";
import { hugebarError, HugebarError } from "../../errors.ts";
import type { Transport } from "../../device/transport/transport.ts";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM } from "../../system/constants.ts";
import { linux } from "../../system/libc.ts";
import { unixAddress } from "../../system/socket-address.ts";
import { SystemCallError, type System } from "../../system/system.ts";
import { noAnswer } from "../wire/client-faults.ts";
import { servedClients, waitsBehind } from "./busy-server.ts";
import { DmaRanges } from "./dma-ranges.ts";
import { negotiate } from "./negotiation.ts";
import { RequestChannel } from "./request-channel.ts";
import { VfioUserTransport } from "./vfio-user-transport.ts";

export interface VfioUserOptions {
  /** How long the server may take for one reply, in milliseconds: a whole number from 1. 5000 if left out. */
  readonly timeoutMilliseconds?: number;
  /** @internal */
  readonly system?: System;
}

/**
 * Connects to the vfio-user server that listens at `path` and agrees on a version with it.
 *
 * @throws ERR_NO_DEVICE, ERR_PERMISSION when nothing can be reached there; ERR_BUSY when its server serves another
 *   client; ERR_TIMEOUT when it does not answer (where that client cannot be seen from here, it may be busy as well);
 *   ERR_PROTOCOL, ERR_DISCONNECTED, ERR_DEVICE when it answers something else.
 */
export function connectVfioUser(path: string, options: VfioUserOptions = {}): Transport {
  const { timeoutMilliseconds = 5000, system = linux } = options;
  requireWhole("time limit in milliseconds", timeoutMilliseconds, 1);
  const name = `vfio-user:${path}`;
  const dma = new DmaRanges(system);
  const others = servedClients(path);
  const channel = connectChannel(path, name, timeoutMilliseconds, dma, system);
  try {
    if (waitsBehind(others, path, system)) throw busy(name);
    return new VfioUserTransport(name, channel, negotiate(channel, name, system), dma, system);
  } catch (error) {
    channel.close();
    const silent = error instanceof HugebarError && error.code === "ERR_TIMEOUT";
    throw silent ? notServed(name, timeoutMilliseconds, error.cause) : error;
  }
}

function busy(device: string): HugebarError {
  const problem = "its server is serving another client, and serves one at a time";
  return hugebarError("ERR_BUSY", { action: `open ${device}`, problem });
}

/** Servers take one client at a time, and let the others wait: to them it looks as if nobody were there. */
function notServed(device: string, milliseconds: number, cause: unknown): HugebarError {
  const problem = `${noAnswer(milliseconds)}; its server may be serving another client, and serves one at a time`;
  return hugebarError("ERR_TIMEOUT", { action: `open ${device}`, problem }, cause);
}

function connectChannel(
  path: string,
  device: string,
  milliseconds: number,
  dma: DmaRanges,
  system: System,
): RequestChannel {
  const address = unixAddress(path);
  const fd = openSocket(device, system);
  try {
    // The channel's time limit holds for connect() too, which waits while the server's backlog is full.
    const channel = new RequestChannel(fd, device, milliseconds, system, dma);
    system.connect(fd, address);
    return channel;
  } catch (error) {
    system.close(fd);
    throw connectFailed(error, device, milliseconds);
  }
}

function openSocket(device: string, system: System): number {
  try {
    return system.tieToThread(system.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    throw hugebarError("ERR_SYSTEM", { action: `open ${device}`, problem: error.message }, error);
  }
}

const CONNECT_PROBLEMS: Record<string, string> = {
  ENOENT: "there is no such socket; start its server first",
  ENOTDIR: "there is no such socket; start its server first",
  ECONNREFUSED: "nothing listens at that socket; start its server first",
};

function connectFailed(error: unknown, device: string, milliseconds: number): unknown {
  if (!(error instanceof SystemCallError)) return error;
  const action = `open ${device}`;
  const problem = CONNECT_PROBLEMS[error.code];
  if (problem !== undefined) return hugebarError("ERR_NO_DEVICE", { device, problem }, error);
  if (error.code === "EACCES" || error.code === "EPERM") {
    return hugebarError("ERR_PERMISSION", { action, problem: "its socket belongs to another user" }, error);
  }
  if (error.code === "EAGAIN") return notServed(device, milliseconds, error);
  return hugebarError("ERR_SYSTEM", { action, problem: error.message }, error);
}
