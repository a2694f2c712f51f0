/** A vfio-user server: a device that an author describes, behind a socket, for one client after another. */

import { constants } from "node:os";
import { hugebarError } from "../errors.ts";
import { VFIO_PCI_NUM_REGIONS } from "../device/vfio-abi.ts";
import { POLLIN, SOCK_CLOEXEC } from "../memory/constants.ts";
import { linux } from "../memory/libc.ts";
import { SystemCallError } from "../memory/system.ts";
import { Connection } from "./connection.ts";
import type { DeviceDescription } from "./device-description.ts";
import { DeviceSession, type ServedDevice } from "./device-session.ts";
import { absentRegion, serveRegion, type ServedRegion } from "./served-region.ts";
import { serve, type Service, type Serving } from "./service-loop.ts";
import { listenAt, type ListeningSocket } from "./socket-file.ts";

const { EAGAIN, ECONNABORTED } = constants.errno;
/** How long to wait before the next try when no client can be accepted, as when there are no descriptors left. */
const RETRY_MILLISECONDS = 1000;

export interface ServeOptions {
  /** Where to listen; the file is made for its owner alone (mode 0600) and removed by `close`. */
  readonly socket: string;
  /** Told of errors in handlers, which clients only see as an errno; without it they become process warnings. */
  readonly onError?: (error: unknown) => void;
}

/**
 * Serves a device from this thread's event loop, which it never blocks for long; the thread stays alive until the
 * server is closed. A client in the same thread would wait for itself: clients here are synchronous.
 *
 * @throws ERR_BUSY when the socket is in use; ERR_ARGUMENT, ERR_REGION_LAYOUT when the description cannot be served;
 *   ERR_PERMISSION, ERR_SYSTEM when the kernel refuses.
 *
 * @example
 * const registers = new Uint8Array(0x1000);
 * const server = serveDevice(
 *   {
 *     regions: [
 *       { index: 0, size: 0x1000, read: (offset, target) => target.set(registers.subarray(offset, offset + target.length)) },
 *       { index: 2, size: 256 * 2 ** 30, memory: "sparse" },
 *     ],
 *   },
 *   { socket: "/run/gpu.sock" },
 * );
 */
export function serveDevice(description: DeviceDescription, options: ServeOptions): DeviceServer {
  return new DeviceServer(description, options);
}

export class DeviceServer {
  /** The socket's path. */
  readonly path: string;
  readonly #listener: Listener;

  /** @internal */
  constructor(description: DeviceDescription, { socket, onError = warn }: ServeOptions) {
    this.path = socket;
    const regions = serveRegions(description);
    try {
      this.#listener = new Listener(
        listenAt(socket),
        { regions, reset: () => description.reset?.() },
        onError,
      );
    } catch (error) {
      releaseAll(regions);
      throw error;
    }
  }

  /** Hangs up, stops listening, and removes the socket's file. Resolves when nothing of the server is left. */
  close(): Promise<void> {
    return this.#listener.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

class Listener implements Service {
  readonly fd: number;
  readonly #socket: ListeningSocket;
  readonly #device: ServedDevice;
  readonly #onError: (error: unknown) => void;
  readonly #serving: Serving;
  /** The client being served; the others wait in the socket's backlog. */
  #connection: Connection | null = null;
  #retry: NodeJS.Timeout | null = null;
  #closed: Promise<void> | null = null;

  constructor(socket: ListeningSocket, device: ServedDevice, onError: (error: unknown) => void) {
    this.fd = socket.fd;
    this.#socket = socket;
    this.#device = device;
    this.#onError = onError;
    this.#serving = serve(this);
  }

  wants(): number {
    return this.#connection === null && this.#retry === null && this.#closed === null ? POLLIN : 0;
  }

  serve(): void {
    try {
      const fd = linux.accept4(this.fd, SOCK_CLOEXEC);
      this.#connection = new Connection(fd, new DeviceSession(this.#device), this.#onError, () => {
        this.#connection = null;
        this.#serving.wake();
      });
    } catch (error) {
      // The client has gone already.
      if (error instanceof SystemCallError && (error.errno === EAGAIN || error.errno === ECONNABORTED))
        return;
      this.#onError(error);
      this.#retry = setTimeout(() => {
        this.#retry = null;
        this.#serving.wake();
      }, RETRY_MILLISECONDS);
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#release();
    return this.#closed;
  }

  async #release(): Promise<void> {
    if (this.#retry !== null) clearTimeout(this.#retry);
    const connection = this.#connection?.close();
    const served = this.#serving.close();
    this.#socket.close();
    releaseAll(this.#device.regions);
    await Promise.all([connection, served]);
  }
}

/** All regions by index, those that the author left out included. */
function serveRegions({ regions }: DeviceDescription): ServedRegion[] {
  const served: ServedRegion[] = Array.from({ length: VFIO_PCI_NUM_REGIONS }, (_, index) =>
    absentRegion(index),
  );
  const seen = new Set<number>();
  try {
    for (const region of regions) {
      checkIndex(region.index, seen);
      served[region.index] = serveRegion(region);
    }
    return served;
  } catch (error) {
    releaseAll(served);
    throw error;
  }
}

function checkIndex(index: number, seen: Set<number>): void {
  const what = `region ${index}`;
  if (!Number.isInteger(index) || index < 0 || index >= VFIO_PCI_NUM_REGIONS) {
    const problem = `a PCI device has regions 0 to ${VFIO_PCI_NUM_REGIONS - 1}`;
    throw hugebarError("ERR_ARGUMENT", { what, problem });
  }
  if (seen.has(index)) throw hugebarError("ERR_ARGUMENT", { what, problem: "it is described twice" });
  seen.add(index);
}

function releaseAll(regions: readonly ServedRegion[]): void {
  for (const region of regions) region.release();
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}
